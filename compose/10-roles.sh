#!/bin/sh
# Run once by the db container on an empty volume: two roles, so that the app cannot alter what only migrations may.
set -eu
: "${DATABASE_OWNER_PASSWORD:?}" "${DATABASE_APP_PASSWORD:?}"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set owner_password="$DATABASE_OWNER_PASSWORD" --set app_password="$DATABASE_APP_PASSWORD" <<'SQL'
CREATE ROLE stillwater_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE stillwater_app LOGIN PASSWORD :'app_password';
CREATE DATABASE stillwater OWNER stillwater_owner;
REVOKE ALL ON DATABASE stillwater FROM PUBLIC;
GRANT CONNECT ON DATABASE stillwater TO stillwater_app;
SQL
