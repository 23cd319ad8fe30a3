"""All settings, from the environment or `.env` alone. A bad value stops the start and names its variable."""

import os
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from backoffice import environment as read, logs, theme

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

# --- what this installation is -------------------------------------------------------------------------------

DEBUG = read.boolean(env, "DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and DEBUG:
    SECRET_KEY = read.make_once(VAR_DIR / "secret_key", read.new_key)
if len(SECRET_KEY) < 32:
    raise read.refused("SECRET_KEY", "a random text of 32 characters or more, kept secret")

ALLOWED_HOSTS = read.words(env, "ALLOWED_HOSTS", "localhost,127.0.0.1")
PUBLIC_BASE_URL = read.base_url(env, "PUBLIC_BASE_URL", "http://127.0.0.1:8000")
CSRF_TRUSTED_ORIGINS = read.checked(
    "CSRF_TRUSTED_ORIGINS",
    "hosts or origins such as https://shop.example.com, separated by commas",
    lambda: [
        origin if "://" in origin else f"{scheme}://{origin}"
        for origin in read.words(env, "CSRF_TRUSTED_ORIGINS", "localhost,127.0.0.1")
        for scheme in ("http", "https")
    ],
)
ALLOW_LOCAL_MARKETPLACES = read.boolean(env, "ALLOW_LOCAL_MARKETPLACES", False)
METRICS_ALLOW = read.networks(env, "METRICS_ALLOW", "127.0.0.0/8,::1")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- databases and cache -------------------------------------------------------------------------------------

DATABASES = {"default": read.database(env, "DATABASE_URL", f"sqlite:///{VAR_DIR / 'backoffice.sqlite3'}")}
# An open connection is worth a factor of 5; a psycopg pool would hang the workers, so there is none.
DATABASES["default"]["CONN_MAX_AGE"] = 600
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
ON_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "backoffice.postgresql"
if ON_SQLITE:
    Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    # synchronous=FULL: what was committed before a code left must still be there after a power cut.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;",
    }

CACHE_TABLE = "backoffice_cache"
CACHE_URL = env.str("CACHE_URL", default="")
if CACHE_URL and not CACHE_URL.startswith(("redis://", "rediss://", "unix://")):
    raise read.refused("CACHE_URL", "redis://host:6379/1, or nothing for a table in the database")
_REDIS = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}
CACHES = {
    "default": _REDIS
    if CACHE_URL
    else {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": CACHE_TABLE,
        # Django's 300 would soon push out tokens that are still good.
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
    # What may be counted once in each process, such as the figures of the front page.
    "figures": _REDIS if CACHE_URL else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

# --- secrets at rest -----------------------------------------------------------------------------------------

_code_keys = env.str("CODE_KEYS", default="")
_index_key = env.str("CODE_INDEX_KEY", default="")
if ON_SQLITE:
    _code_keys = _code_keys or read.make_once(VAR_DIR / "code_keys", lambda: f"k1:{read.new_key()}")
    _index_key = _index_key or read.make_once(VAR_DIR / "code_index_key", read.new_key)
CODE_KEYS = read.checked("CODE_KEYS", "id:base64 of 32 bytes[,id:base64…]", lambda: read.code_keys(_code_keys))
CODE_INDEX_KEY = read.checked("CODE_INDEX_KEY", "base64 of 32 bytes", lambda: read.key_bytes(_index_key))

# --- apps ----------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "backoffice.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_q",
    "import_export",
    "axes",
    "django_otp",
    "csp",
    "backoffice",
    "marketplaces",
    "inventory",
    "orders",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "backoffice.middleware.BodyLimits",
    "django_otp.middleware.OTPMiddleware",
    "backoffice.second_factor.gate.Gate",
    "django.contrib.messages.middleware.MessageMiddleware",
    "backoffice.middleware.InZone",
    "backoffice.middleware.TellOfRuns",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "backoffice.urls"
WSGI_APPLICATION = "backoffice.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
FORM_RENDERER = "backoffice.drawing.QuickFields"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# What stands higher than its user is named here, so that no import runs upwards.
MARKETPLACES_SHOP = "orders.shop.OurShop"
METRICS_SOURCES = ["marketplaces.metrics.families", "inventory.metrics.families", "orders.metrics.families"]
SEARCHES = ["orders.searching.KINDS", "inventory.searching.KINDS", "marketplaces.searching.KINDS"]
# Sealed columns that are no EncryptedField.
SEALED_COLUMNS = ["inventory.codes.SEALED"]

# Say whether a text is a secret that we hold: it is not to be kept where people may type it in passing.
SECRET_LOOKUPS = ["inventory.codes.is_known"]

# Import and export are permissions of their own; a file waits for its confirmation where every process finds it.
IMPORT_EXPORT_IMPORT_PERMISSION_CODE = "import"
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "export"
IMPORT_EXPORT_TMP_STORAGE_CLASS = "import_export.tmp_storages.CacheStorage"

# --- web -----------------------------------------------------------------------------------------------------

APPEND_SLASH = False  # the door must never redirect: a redirect turns a marketplace's POST into a GET
STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
LARGEST_UPLOAD = 64 * 1024 * 1024  # bytes: a file of two million codes
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = theme.UNFOLD

ON_HTTPS = PUBLIC_BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ON_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if ON_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ON_HTTPS
SECURE_SSL_REDIRECT = ON_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^hooks/", r"^healthz$", r"^readyz$", r"^metrics$"]
if ON_HTTPS:  # TLS ends at the proxy in front of us, which must set this header itself
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 60 * 60  # a working day

# What our pages may load and where they may send. The admin's look has no script inside its pages, so none is allowed; its
# Alpine makes functions of attributes (unsafe-eval), and styles stand in attributes. Who knocks at the door needs no policy.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/hooks/"],
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# --- login: ten failures of a name from an address close it to both for a quarter of an hour ---------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "backoffice.permissions.Backend"]
# The header, as WSGI spells it, into which a proxy of ours writes who it speaks for; empty: who is connected to us.
CLIENT_ADDRESS_HEADER = read.header(env, "CLIENT_ADDRESS_HEADER")
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # else a script could keep somebody out for ever
AXES_CLIENT_IP_CALLABLE = "backoffice.login.client_address"
AXES_CLIENT_STR_CALLABLE = "backoffice.login.name_for_logs"
AXES_LOCKOUT_CALLABLE = "backoffice.login.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_SENSITIVE_PARAMETERS = ["code"]  # of the second factor: what is typed there is kept as little as a password
AXES_VERBOSE = False

# --- second factor: who may do one of these has to have one; see backoffice.second_factor ------------------------

TWO_FACTOR = read.one_of(env, "TWO_FACTOR", ("required", "optional", "off"))
TWO_FACTOR_PERMISSIONS = [
    "inventory.reveal_code",  # codes in clear
    *("inventory.add_purchase", "inventory.change_purchase"),  # money
    *("marketplaces.add_account", "marketplaces.change_account"),  # credentials, and where they are sent
    *("auth.add_user", "auth.change_user", "auth.change_group"),  # whoever gives permissions has them all
    "backoffice.reset_second_factor",
]

# --- queue ---------------------------------------------------------------------------------------------------

Q_WORKERS = read.whole_number(env, "Q_WORKERS", 4, 1, 64)
# A task is ended after so long. Later, whoever still has a row or a lease is dead; marketplaces.checks proves the relation.
TASK_SECONDS, LOST_AFTER_SECONDS = 60, 75
# How long codes, or a parcel, whose answer got lost are looked for before they are sent once more. No request of ours is
# under way for so long, nor does any marketplace take longer to show what it has.
UNANSWERED_SECONDS, PARCEL_UNANSWERED_SECONDS = 600, 300
# `retry` counts from dequeue, so it must outlast every prefetched task; backoffice.checks proves the relation.
Q_CLUSTER = {
    "name": "backoffice",
    "orm": "default",
    "broker_class": "backoffice.broker.Broker",
    "workers": Q_WORKERS,
    "queue_limit": Q_WORKERS,
    "bulk": 1,
    "poll": 0.05,
    "timeout": TASK_SECONDS,
    "retry": 300,
    "save_limit": -1,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "recycle": 500,
    "max_rss": 300_000,
    "log_level": "WARNING",
    "label": "Queue",
}
# Who passes whom when several wait; what is not named goes with the rest. See backoffice.broker.
QUEUE_LANES = {
    "orders.tasks.deliver": "delivery",
    "marketplaces.tasks.process_event": "event",
    "inventory.tasks.stock_changed": "stock",
    "marketplaces.tasks.pump": "stock",
}
# name: (function, minutes between runs). Written to the database after each migrate.
SCHEDULES = {
    "heartbeat": ("backoffice.tasks.heartbeat", 1),
    "prune the queue's history": ("backoffice.tasks.prune", 60),
    "plan sweeps": ("backoffice.tasks.plan_sweeps", 1),
    "sweep runs": ("backoffice.tasks.sweep_runs", 1),
    "sweep alerts": ("backoffice.tasks.sweep_alerts", 1),
    "sweep marketplaces": ("marketplaces.tasks.sweep", 1),
    "prune the call log": ("marketplaces.tasks.prune", 60),
    "prune settled differences": ("inventory.tasks.prune", 60),
    "recover missed events": ("marketplaces.tasks.recover_missed_events", 15),
    "apply price rules": ("inventory.tasks.reprice", 5),
    "sweep stock": ("inventory.tasks.sweep", 1),
    "sweep orders": ("orders.tasks.sweep", 1),
    "poll marketplaces": ("orders.tasks.plan_polls", 1),
    "compare with the marketplaces": ("orders.tasks.plan_reconciliations", 1),
    "watch marketplaces": ("marketplaces.tasks.watch", 1),
    "watch stock": ("inventory.tasks.watch", 1),
    "watch orders": ("orders.tasks.watch", 1),
    "count sales": ("orders.tasks.count_sales", 5),
    "add up past sales": ("orders.tasks.add_up_past_sales", 5),
}
# What finds rows that lost their worker or wake-up; more often than a schedule can, so that nothing lies for 90 seconds.
SWEEPS = ["marketplaces.tasks.sweep", "inventory.tasks.sweep", "orders.tasks.sweep", "backoffice.tasks.sweep_runs"]
SWEEP_SECONDS = 10
HEARTBEAT_STALE_SECONDS = 180
# The file in which a group of workers shows its supervisor that it makes progress. The supervisor names it, nobody else.
WORKERS_PULSE = os.environ.get("WORKERS_PULSE", "")

# --- the rest ------------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
LANGUAGES = [("en", "English")]  # and each that gets a folder in locale/: every page goes through all of these
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = True
read.checked("TIME_ZONE", "the name of a time zone, such as Europe/Berlin", lambda: read.time_zone(TIME_ZONE))

EMAIL_CONFIG = read.checked(
    "EMAIL_URL", "smtp://user:password@host:587 or consolemail://", lambda: env.email_url("EMAIL_URL", "consolemail://")
)
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 20  # seconds; a worker must not wait for a mail server without end
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="back-office@localhost")

SENTRY_DSN = env.str("SENTRY_DSN", default="")
if SENTRY_DSN:
    import sentry_sdk

    # Local variables, request bodies and addresses can hold secrets: none leaves this machine.
    read.checked(
        "SENTRY_DSN",
        "the address that Sentry shows for a project, or nothing",
        lambda: sentry_sdk.init(
            dsn=SENTRY_DSN,
            send_default_pii=False,
            include_local_variables=False,
            max_request_body_size="never",
            before_send=logs.without_query,
            before_send_transaction=logs.without_query,
        ),
    )
DEFAULT_EXCEPTION_REPORTER_FILTER = "backoffice.error_pages.Filter"
LOG_FORMAT = read.one_of(env, "LOG_FORMAT", ("text", "json"))
LOG_LEVEL = read.one_of(env, "LOG_LEVEL", ("INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s [%(correlation)s]: %(message)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(correlation)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["correlated"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # A request's address may carry a secret in its query, so Django's own request log says only what failed.
    "filters": {
        "without_request": {"()": "backoffice.logs.WithoutRequest"},
        "correlated": {"()": "backoffice.correlation.Correlated"},
    },
    "loggers": {
        "django-q": {"level": "WARNING", "handlers": ["console"], "propagate": False},
        "axes": {"level": "WARNING"},
        "django.request": {"level": "ERROR", "filters": ["without_request"]},
    },
}
