#!/bin/sh
# Entry point of the service "rabbitmq" in docker-compose.yml: writes the passwords of the two users into the
# definitions that RabbitMQ loads at every start (so a changed password holds after a restart), then starts it.
set -eu

for password in "$ENV_PASSWORD" "$AGENT_PASSWORD"; do
  case $password in
    '' | *[!A-Za-z0-9._~-]*)
      # It stands in a URL, in JSON and in a sed expression: these letters need no quoting in any of them.
      echo "start.sh: a password is empty or has other characters than letters, digits and . _ ~ -" >&2
      exit 2
      ;;
  esac
done

umask 077
sed -e "s/@ENV_PASSWORD@/$ENV_PASSWORD/" -e "s/@AGENT_PASSWORD@/$AGENT_PASSWORD/" \
  /gymbroker/definitions.json >/etc/rabbitmq/definitions.json
chown rabbitmq /etc/rabbitmq/definitions.json
unset ENV_PASSWORD AGENT_PASSWORD

# The official image has an entry point of its own, which drops root.
if command -v docker-entrypoint.sh >/dev/null; then
  exec docker-entrypoint.sh rabbitmq-server
fi
exec rabbitmq-server
