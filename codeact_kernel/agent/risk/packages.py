"""Packages and parts of packages of which every call means the same."""

from __future__ import annotations

from codeact_kernel.agent.risk.tables import NATIVE, NETWORK, PROCESS, SECRETS, words

NETWORK_PACKAGES = words(
    # protocols
    "aiohttp urllib3 httplib2 websockets websocket socketserver paramiko fabric asyncssh ftplib smtplib "
    "imaplib poplib nntplib telnetlib grpc pika kafka confluent_kafka paho "
    # stores and databases that are reached by network
    "boto3 botocore aiobotocore s3fs gcsfs adlfs pymongo motor redis psycopg2 psycopg asyncpg pymysql MySQLdb "
    "aiomysql oracledb cx_Oracle pymssql clickhouse_connect clickhouse_driver cassandra neo4j elasticsearch "
    "opensearchpy influxdb influxdb_client pinecone weaviate pandas_gbq "
    # models behind an interface
    "openai anthropic cohere mistralai groq litellm replicate ollama huggingface_hub "
    # data to download
    "kagglehub kaggle gdown wget pandas_datareader yfinance fredapi quandl nasdaqdatalink alpha_vantage "
    "wbgapi wikipedia wikipediaapi openml ucimlrepo sodapy osmnx geocoder pytrends astroquery feedparser "
    "pooch "
    # the web and its services
    "selenium playwright pyppeteer mechanize tweepy praw twilio slack_sdk telegram discord stripe "
    "github gitlab jira notion_client gspread googleapiclient wandb comet_ml neptune"
)

PROCESS_PACKAGES = words("selenium playwright pyppeteer sh plumbum pexpect invoke")

PREFIXES = {
    "urllib.request.": ("network", NETWORK),
    "http.client.": ("network", NETWORK),
    "http.server.": ("network", NETWORK),
    "xmlrpc.client.": ("network", NETWORK),
    "xmlrpc.server.": ("network", NETWORK),
    "mysql.connector.": ("network", NETWORK),
    "snowflake.connector.": ("network", NETWORK),
    "google.cloud.": ("network", NETWORK),
    "google.generativeai.": ("network", NETWORK),
    "google.genai.": ("network", NETWORK),
    "geopy.geocoders.": ("network", NETWORK),
    "Bio.Entrez.": ("network", NETWORK),
    "scipy.datasets.": ("network", NETWORK),
    "sklearn.datasets.fetch_": ("network", NETWORK),
    "tensorflow.keras.datasets.": ("network", NETWORK),
    "tensorflow.keras.applications.": ("network", NETWORK),
    "keras.datasets.": ("network", NETWORK),
    "keras.applications.": ("network", NETWORK),
    "keyring.": ("credentials", SECRETS),
    "ctypes.": ("native", NATIVE),
    "_ctypes.": ("native", NATIVE),
    "numpy.ctypeslib.": ("native", NATIVE),
    "pyarrow.foreign_buffer": ("native", NATIVE),
    "cffi.": ("native", NATIVE),
    "cppyy.": ("native", NATIVE),
}
"""Calls whose full name begins so -> (kind, verb)."""
_ROOTS = frozenset(prefix.partition(".")[0] for prefix in PREFIXES)

STAR_NAMES = {
    "ctypes": words(
        "CDLL PyDLL WinDLL OleDLL cdll windll oledll pydll pythonapi cast memmove memset string_at "
        "create_string_buffer"
    )
}
"""What `from MODULE import *` brings that is not told by a full name."""


def package_rules(name: str) -> list[tuple[str, str]]:
    """Return the (kind, verb) that a call has because of the package it is in, by its full name."""
    root, dot, _ = name.partition(".")
    if not dot:
        return []
    rules = []
    if root in NETWORK_PACKAGES:
        rules.append(("network", NETWORK))
    if root in PROCESS_PACKAGES:
        rules.append(("subprocess", PROCESS))
    if root in _ROOTS:
        rules += [rule for prefix, rule in PREFIXES.items() if name.startswith(prefix)]
    return rules
