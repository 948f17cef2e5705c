# One image for the release step, web, worker and beat; docker-compose.yml says which command each runs.

FROM node:22-slim AS browser-libraries
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-progress

FROM python:3.12-slim AS packages
COPY requirements.txt ./
RUN python -m venv /venv && /venv/bin/pip install --quiet --no-cache-dir --no-deps --require-hashes --requirement requirements.txt

FROM python:3.12-slim AS source
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
# The static files get their hashed names here. The keys are for this step only: nothing is signed, sealed or asked.
RUN --mount=from=browser-libraries,source=/app/node_modules,target=/app/node_modules \
    SECRET_KEY=for-this-build-step-only-and-never-again AUDIT_KEY=for-this-build-step-only-and-never-again \
    FIELD_KEYS=none AUDIT_ANCHOR_FILE=/dev/null SITE_URL=https://localhost DATABASE_URL=postgresql://nobody@/nothing \
    STATIC_ROOT=/app/static-root \
    python manage.py collectstatic --noinput --verbosity 0

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 STATIC_ROOT=/app/static-root
RUN groupadd --system --gid 10001 stillwater \
    && useradd --system --uid 10001 --gid stillwater --no-create-home --home-dir /nonexistent stillwater \
    && install --directory --owner stillwater --group stillwater --mode 700 /var/lib/stillwater
WORKDIR /app
COPY --from=packages /venv /venv
COPY --from=source /app /app
# The code belongs to root: who runs it cannot change it.
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "8", "clinic.wsgi:application"]
