# The back office as one image; what it does is said by its command. See docs/operations.md and compose.yaml.
FROM python:3.12-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY manage.py pyproject.toml ./
COPY backoffice backoffice
COPY marketplaces marketplaces
COPY inventory inventory
COPY orders orders
COPY templates templates
RUN useradd --system --uid 10001 backoffice && mkdir var && chown backoffice var
USER backoffice
EXPOSE 8000
# A container is stopped by its first process alone, which passes the wish on and waits for what is at work.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "backoffice.supervisor", "web", "--host", "0.0.0.0", "--port", "8000"]
