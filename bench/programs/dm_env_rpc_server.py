"""CartPole as a dm_env_rpc service, written as its Catch example is: one stream, packed tensors, local credentials."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from dm_env_rpc.v1 import dm_env_rpc_pb2 as pb
from dm_env_rpc.v1 import dm_env_rpc_pb2_grpc, spec_manager, tensor_spec_utils

from bench.programs.cartpole import OldCartPole
from bench.programs.loop import say

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTIONS = {1: pb.TensorSpec(name="action", dtype=pb.INT32)}
tensor_spec_utils.set_bounds(ACTIONS[1], minimum=0, maximum=1)
OBSERVATIONS = {
    1: pb.TensorSpec(name="observation", shape=[4], dtype=pb.FLOAT),
    2: pb.TensorSpec(name="reward", dtype=pb.DOUBLE),
}


class CartPoleService(dm_env_rpc_pb2_grpc.EnvironmentServicer):  # type: ignore[misc]  # gRPC is not typed
    """One world of one agent."""

    def Process(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: N802 - gRPC's name
        """Answer each request of a stream in order."""
        game = Game()
        for request in request_iterator:
            kind = request.WhichOneof("payload")
            response = pb.EnvironmentResponse()
            getattr(response, kind).CopyFrom(getattr(game, kind)(getattr(request, kind)))
            yield response


class Game:
    """What each kind of request does."""

    def __init__(self) -> None:
        self.env = OldCartPole()
        self.first = True
        self.actions, self.observations = spec_manager.SpecManager(ACTIONS), spec_manager.SpecManager(OBSERVATIONS)

    def create_world(self, request: Any) -> Any:
        return pb.CreateWorldResponse(world_name="cartpole")

    def join_world(self, request: Any) -> Any:
        return pb.JoinWorldResponse(specs=self.specs())

    def reset(self, request: Any) -> Any:
        self.first = True
        return pb.ResetResponse(specs=self.specs())

    def step(self, request: Any) -> Any:
        """The first step of a run has no action: it asks for the first observation."""
        if self.first:
            self.first, observation, reward, done = False, self.env.reset(), 0.0, False
        else:
            action = int(self.actions.unpack(request.actions)["action"])
            observation, reward, done, _ = self.env.step(action)
        packed = self.observations.pack({"observation": observation, "reward": np.float64(reward)})
        response = pb.StepResponse(state=pb.TERMINATED if done else pb.RUNNING)
        for uid in request.requested_observations:
            response.observations[uid].CopyFrom(packed[uid])
        self.first = self.first or done
        return response

    def specs(self) -> Any:
        found = pb.ActionObservationSpecs()
        for mine, theirs in ((ACTIONS, found.actions), (OBSERVATIONS, found.observations)):
            for uid, spec in mine.items():
                theirs[uid].CopyFrom(spec)
        return found


server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=1))
dm_env_rpc_pb2_grpc.add_EnvironmentServicer_to_server(CartPoleService(), server)
port = server.add_secure_port("localhost:0", grpc.local_server_credentials())
server.start()
say(ready=True, port=port)
server.wait_for_termination()
