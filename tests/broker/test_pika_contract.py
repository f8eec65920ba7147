"""What we override of pika or rely on, by name and signature. If pika changes one of these, this fails first."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pika
import pytest
from pika import connection, credentials, exceptions, frame, heartbeat, spec

import broker.amqp
from broker.amqp.adapter import Adapter

Connection = connection.Connection

OVERRIDDEN = {
    "_adapter_connect_stream": "(self)",
    "_adapter_disconnect_stream": "(self)",
    "_adapter_emit_data": "(self, data)",
    "_adapter_call_later": "(self, delay, callback)",
    "_adapter_remove_timeout": "(self, timeout_id)",
    "_adapter_add_callback_threadsafe": "(self, callback)",
    "_output_marshaled_frames": "(self, marshaled_frames)",
    "_deliver_frame_to_channel": "(self, value)",
}
CALLED = {
    "__init__": "(self, parameters, on_open_callback, on_open_error_callback, on_close_callback, "
    "internal_connection_workflow)",
    "add_on_connection_blocked_callback": "(self, callback)",
    "close": "(self, reply_code, reply_text)",
    "_on_stream_connected": "(self)",
    "_on_stream_terminated": "(self, error)",
    "_process_frame": "(self, frame_value)",
    "_send_message": "(self, channel_number, method_frame, content)",
    "_terminate_stream": "(self, error)",
}
METHODS = {
    spec.Channel.Open: set(),
    spec.Channel.Close: {"reply_code", "reply_text", "class_id", "method_id"},
    spec.Channel.CloseOk: set(),
    spec.Channel.Flow: {"active"},
    spec.Channel.FlowOk: {"active"},
    spec.Exchange.Declare: {"exchange", "type", "durable", "nowait", "arguments"},
    spec.Queue.Declare: {"queue", "durable", "exclusive", "nowait", "arguments"},
    spec.Queue.Bind: {"queue", "exchange", "routing_key", "nowait", "arguments"},
    spec.Queue.Delete: {"queue", "nowait"},
    spec.Basic.Qos: {"prefetch_count", "global_qos"},
    spec.Basic.Consume: {"queue", "consumer_tag", "no_ack", "arguments"},
    spec.Basic.Get: {"queue", "no_ack"},
    spec.Basic.Cancel: {"consumer_tag"},
    spec.Basic.Publish: {"exchange", "routing_key", "mandatory"},
    spec.Basic.Ack: {"delivery_tag", "multiple"},
    spec.Basic.Nack: {"delivery_tag", "multiple"},
    spec.Confirm.Select: {"nowait"},
    spec.BasicProperties: {"delivery_mode", "expiration", "message_id"},
}


def names(function) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"


def test_the_installed_pika_is_the_one_that_we_know():
    major, minor, patch, *_ = pika.__version__.split(".")
    assert (major, minor) == ("1", "4")
    assert int(patch) >= 4


@pytest.mark.parametrize("name", [*OVERRIDDEN, *CALLED])
def test_a_method_that_we_override_or_call_is_there_as_we_know_it(name):
    assert names(getattr(Connection, name)) == {**OVERRIDDEN, **CALLED}[name]


def test_we_override_what_is_named_here_and_nothing_else():
    ours = {name for name in vars(Adapter) if not name.startswith("__")}
    assert ours & set(dir(Connection)) - {"_abc_impl"} == set(OVERRIDDEN)


def test_every_abstract_method_is_ours():
    assert Connection.__abstractmethods__ <= set(OVERRIDDEN)
    assert not inspect.isabstract(Adapter)


def test_the_attributes_that_we_read_are_there():
    parameters = connection.ConnectionParameters()
    for name in ("channel_max", "frame_max", "heartbeat", "client_properties", "blocked_connection_timeout"):
        assert hasattr(parameters, name)
    source = inspect.getsource(Connection)
    for name in ("_error", "params", "server_properties", "bytes_received", "bytes_sent"):
        assert f"self.{name}" in source
    assert isinstance(inspect.getattr_static(Connection, "is_open"), property)
    assert names(credentials.PlainCredentials) == "(username, password, erase_on_connect)"


def test_heartbeats_are_judged_by_the_counter_that_we_keep():
    source = inspect.getsource(heartbeat.HeartbeatChecker)
    assert "self._connection.bytes_received" in source
    assert names(heartbeat.HeartbeatChecker) == "(connection, timeout)"
    assert "self._check_interval = timeout + 5" in source  # what our text about a silent broker says


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.NAME)
def test_a_method_of_the_protocol_has_the_fields_that_we_use(method):
    assert METHODS[method] <= set(inspect.signature(method).parameters)
    if method is not spec.BasicProperties:
        assert isinstance(method().synchronous, bool)


def test_the_errors_that_we_tell_apart_are_there():
    for name in ("ConnectionClosedByBroker", "ConnectionClosedByClient", "AMQPHeartbeatTimeout",
                 "ConnectionBlockedTimeout", "AuthenticationError"):  # fmt: skip
        assert issubclass(getattr(exceptions, name), Exception)
    assert exceptions.ConnectionClosedByBroker(320, "text").reply_text == "text"


def test_frames_are_marshalled_and_decoded_as_we_know():
    data = frame.Method(3, spec.Basic.Ack(7)).marshal()
    assert data[:7] == b"\x01\x00\x03\x00\x00\x00\x0d"
    consumed, value = frame.decode_frame(data)
    assert (consumed, value.channel_number, value.method.delivery_tag) == (len(data), 3, 7)


def test_pika_is_imported_in_two_files_only():
    root = Path(broker.amqp.__file__).parent.parent
    importers = {
        path.name
        for path in root.rglob("*.py")
        if any(line.startswith(("import pika", "from pika")) for line in path.read_text().splitlines())
    }
    assert importers == {"adapter.py", "channel.py"}


def test_memory_needs_no_pika():
    code = (
        "import sys, broker; broker.connect('memory://', timeout_s=1).close(); "
        "sys.exit(' '.join({'pika', 'tenacity', 'ssl'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_pika_says_nothing_by_default():
    code = (
        "import logging, sys; logging.basicConfig(level=logging.DEBUG); import broker.amqp; "
        "logging.getLogger('pika.connection').error('a traceback'); logging.getLogger('other').error('heard')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "a traceback" not in done.stderr
    assert "heard" in done.stderr


def test_all_callbacks_can_be_let_go_of():
    manager = pika.callback.CallbackManager()
    manager.add(0, "key", print)
    manager.clear()
    assert manager.pending(0, "key") is None
