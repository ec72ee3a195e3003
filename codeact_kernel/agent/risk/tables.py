"""What is known by name: functions, methods, magics, shell words and patterns, as plain data."""

from __future__ import annotations

KINDS = (
    "unknown",
    "delete",
    "overwrite",
    "outside",
    "install",
    "subprocess",
    "network",
    "credentials",
    "dynamic",
    "native",
    "rebind",
    "endless",
)
"""Every kind of risk, in the order in which labels are returned."""

SHOWN_ONLY = frozenset({"rebind"})
"""Kinds that a person sees but is not asked about: half of all good cells bind a name anew, undo brings it back,
and one who is asked all the time stops reading."""

DELETE = "deletes files"
MOVE = "moves or renames files"
OVERWRITE = "overwrites"
MAY_OVERWRITE = "may overwrite a file"
OUTSIDE = "writes outside the working folder"
SYSTEM = "looks at system files"
PROCESS = "starts a process"
KILL = "ends a process"
EXIT = "ends the kernel, and every variable with it"
NETWORK = "uses the network"
INSTALL = "installs packages"
UNINSTALL = "removes packages"
SECRETS = "reads keys"
WHOLE_ENVIRONMENT = "os.environ, the whole environment"
PRIVATE = "names a private file"
DYNAMIC = "runs code made at run time"
UNPICKLE = "unpickles, which can run any code"
NATIVE = "calls native code"
REBIND = "rebinds your"
FORGET = "deletes your"
SQL_DELETE = "deletes from a database"
SQL_OVERWRITE = "changes rows of a database"
ENDLESS = "may never end"
UNREADABLE = "cannot be read"


def _words(text: str) -> list[str]:
    return text.split()


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


ALIASES = {
    "np": "numpy",
    "pd": "pandas",
    "pl": "polars",
    "plt": "matplotlib.pyplot",
    "sns": "seaborn",
    "sp": "subprocess",
    "tf": "tensorflow",
    "Path": "pathlib.Path",
    "environ": "os.environ",
    "getenv": "os.getenv",
    "rmtree": "shutil.rmtree",
    "urlopen": "urllib.request.urlopen",
    "urlretrieve": "urllib.request.urlretrieve",
    "Popen": "subprocess.Popen",
    "check_call": "subprocess.check_call",
    "check_output": "subprocess.check_output",
    "load_dotenv": "dotenv.load_dotenv",
    "builtins.open": "open",
}
"""What names mean that a cell did not import itself: habits of earlier cells."""


def _table(*rows: tuple[str, str, str]) -> dict[str, tuple[str, str]]:
    return {name: (kind, verb) for kind, verb, names in rows for name in names.split()}


CALLS = _table(
    ("delete", DELETE, "os.remove os.unlink os.rmdir os.removedirs shutil.rmtree send2trash.send2trash"),
    ("overwrite", MOVE, "os.rename os.renames os.replace shutil.move"),
    ("overwrite", OVERWRITE, "os.truncate"),
    (
        "subprocess",
        PROCESS,
        "subprocess.run subprocess.call subprocess.Popen subprocess.check_call subprocess.check_output "
        "subprocess.getoutput subprocess.getstatusoutput os.system os.popen os.startfile os.fork os.forkpty "
        "os.posix_spawn os.posix_spawnp pty.spawn pty.fork asyncio.create_subprocess_exec "
        "asyncio.create_subprocess_shell pexpect.spawn pexpect.run "
        + " ".join(f"os.{verb}{end}" for verb in ("exec", "spawn") for end in _words("l le lp lpe v ve vp vpe")),
    ),
    ("subprocess", KILL, "os.kill os.killpg signal.pthread_kill"),
    ("subprocess", EXIT, "os._exit os.abort exit quit builtins.exit builtins.quit"),
    (
        "install",
        INSTALL,
        (
            "pip.main pip._internal.main pip._internal.cli.main.main ensurepip.bootstrap spacy.cli.download "
            "micropip.install piplite.install conda.cli.main conda.cli.python_api.run_command"
        ),
    ),
    (
        "network",
        NETWORK,
        (
            "requests.get requests.post requests.put requests.delete requests.head requests.patch "
            "requests.options requests.request requests.Session requests.session httpx.get httpx.post "
            "httpx.put httpx.delete httpx.head httpx.patch httpx.request httpx.stream httpx.Client "
            "httpx.AsyncClient socket.socket socket.create_connection socket.create_server "
            "socket.getaddrinfo socket.gethostbyname asyncio.open_connection asyncio.start_server "
            "webbrowser.open webbrowser.open_new webbrowser.open_new_tab seaborn.load_dataset "
            "datasets.load_dataset torch.hub.load uvicorn.run nltk.download transformers.pipeline "
            "sentence_transformers.SentenceTransformer gensim.downloader.load tensorflow_datasets.load "
            "tensorflow_hub.load tensorflow_hub.KerasLayer whisper.load_model keras.utils.get_file "
            "tensorflow.keras.utils.get_file statsmodels.datasets.get_rdataset flask.Flask().run "
            "dash.Dash().run"
        ),
    ),
    (
        "credentials",
        SECRETS,
        ("getpass.getpass dotenv.load_dotenv dotenv.dotenv_values google.colab.userdata.get netrc.netrc"),
    ),
    (
        "dynamic",
        DYNAMIC,
        (
            "eval exec compile builtins.eval builtins.exec builtins.compile __import__ builtins.__import__ "
            "runpy.run_path runpy.run_module code.interact types.FunctionType types.CodeType timeit.exec "
            "IPython.display.Javascript importlib.util.spec_from_file_location imp.load_source cProfile.run "
            "cProfile.runctx profile.run profile.runctx pydoc.locate pkgutil.resolve_name site.addsitedir "
            "logging.config.dictConfig logging.config.fileConfig traitlets.import_item webbrowser.get "
            "traitlets.utils.importstring.import_item doctest.run_docstring_examples"
        ),
    ),
    (
        "dynamic",
        UNPICKLE,
        (
            "pickle.load pickle.loads pickle.Unpickler _pickle.loads cPickle.loads dill.load dill.loads "
            "cloudpickle.load cloudpickle.loads marshal.load marshal.loads joblib.load pandas.read_pickle "
            "torch.load shelve.open jsonpickle.decode yaml.unsafe_load yaml.full_load yaml.load pandas.read_hdf "
            "dill.load_session dill.load_module mlflow.pyfunc.load_model mlflow.sklearn.load_model"
        ),
    ),
)
"""Functions by their full name -> (kind, verb); a mention of one counts, called or not."""

ALSO = {"torch.hub.load": ("dynamic", DYNAMIC)}
"""A second label of such a function."""
PARSERS = frozenset({"sympy.sympify", "sympy.parse_expr", "sympy.parsing.sympy_parser.parse_expr"})
"""Functions that evaluate their text; harmless where the text stands in the cell."""
KEYWORDS = {
    "trust_remote_code": ("dynamic", DYNAMIC),
    "download": ("network", NETWORK),
    "pretrained": ("network", NETWORK),
}
"""Keywords that mean the same in whatever call they are true."""

METHODS = {
    "unlink": ("delete", DELETE),
    "rmdir": ("delete", DELETE),
    "rmtree": ("delete", DELETE),
    "kill": ("subprocess", KILL),
    "from_pretrained": ("network", NETWORK),
    "serve_forever": ("network", NETWORK),
    "__subclasses__": ("dynamic", DYNAMIC),
    "load_module": ("dynamic", DYNAMIC),
    "exec_module": ("dynamic", DYNAMIC),
    "subprocess_shell": ("subprocess", PROCESS),
    "subprocess_exec": ("subprocess", PROCESS),
}
"""Methods that mean the same on whatever object they are called."""

PROCESS_METHODS = frozenset({"terminate", "kill", "suspend", "send_signal"})
DUNDERS = frozenset({"__globals__", "__builtins__", "__code__", "__subclasses__"})

WRITING_MODE = r"[wbt+]*w[bt+]*|r[bt]?\+[bt]?"
OPENERS = {
    "open": ("r", 1),
    "io.open": ("r", 1),
    "codecs.open": ("r", 1),
    "gzip.open": ("r", 1),
    "bz2.open": ("r", 1),
    "lzma.open": ("r", 1),
    "tarfile.open": ("r", 1),
    "zipfile.ZipFile": ("r", 1),
    "h5py.File": ("r", 1),
}
"""Functions that open the path in their first argument -> (default mode, position of the mode)."""

PATH_KEYWORDS = frozenset(
    _words(
        "path_or_buf path path_or_buffer fname file filename fp f excel_writer buf dst dest uri "
        "path_or_stream src target"
    )
)

WRITERS = {
    **dict.fromkeys(
        _words(
            "numpy.save numpy.savez numpy.savez_compressed numpy.savetxt matplotlib.pyplot.savefig "
            "matplotlib.pyplot.imsave imageio.imwrite imageio.mimsave imageio.imsave cv2.imwrite "
            "skimage.io.imsave pandas.ExcelWriter sqlite3.backup"
        ),
        0,
    ),
    **dict.fromkeys(
        _words(
            "joblib.dump torch.save shutil.copy shutil.copy2 shutil.copyfile shutil.copytree os.symlink os.link "
            "pyarrow.parquet.write_table pyarrow.csv.write_csv"
        ),
        1,
    ),
}
"""Functions that write the path in the given argument."""

NO_FILE = (
    r"(?:^|\.)(?:StringIO|BytesIO|open|ExcelWriter|ZipFile|TarFile|HDFStore|PdfPages)\(\)$"
    r"|^tempfile\.|^sys\.(?:__)?std"
)
"""Targets of a write, by what made them, that are no file or were asked about where they were opened."""

WRITING_METHODS = frozenset(
    _words(
        "to_csv to_excel to_parquet to_json to_pickle to_feather to_hdf to_html to_latex to_markdown to_stata "
        "to_xml to_orc to_netcdf to_zarr tofile savefig write_csv write_parquet write_json write_excel write_ipc "
        "write_html write_image save save_model save_pretrained"
    )
)
"""Methods that write the path in their first argument."""

PLACERS = {
    "os.mkdir": 0,
    "os.makedirs": 0,
    "os.chdir": 0,
    "os.chmod": 0,
    "os.chown": 0,
    "os.mkfifo": 0,
    "os.utime": 0,
    "shutil.make_archive": 0,
    "shutil.unpack_archive": 1,
    "shutil.chown": 0,
}
"""Functions that never overwrite, but may work on a path outside the working folder."""

IN_PLACE = frozenset({"fileinput.input", "fileinput.FileInput"})
"""Functions that write the file in their first argument if they are told `inplace=True`."""
ARCHIVES = r"(?:ZipFile|TarFile|tarfile\.open|7z\w*)\(\)$"

LOOKERS = dict.fromkeys(
    ("glob.glob", "glob.iglob", "os.listdir", "os.scandir", "os.walk", "shutil.copy", "shutil.copyfile"), 0
)
"""Functions that read or list the path in the given argument."""
PATH_LOOKERS = frozenset({"read_text", "read_bytes", "iterdir", "glob", "rglob"})
SYSTEM_FOLDERS = (
    "/etc",
    "/root",
    "/proc",
    "/sys",
    "/boot",
    "/var",
    "/bin",
    "/sbin",
    "/lib",
    "/usr",
    "/dev",
)
"""Folders of the machine: an analysis has no business there, also when it only reads."""

PATH_WRITERS = frozenset({"write_text", "write_bytes"})
PATH_PLACERS = frozenset({"mkdir", "touch", "chmod", "symlink_to", "hardlink_to"})

CALM_MAGICS = frozenset(
    _words(
        "matplotlib who who_ls whos pwd ls config load_ext reload_ext unload_ext precision pprint Pprint pinfo "
        "pinfo2 pdoc pdef psource pfile psearch pycat history hist lsmagic magic quickref autoreload memit "
        "mprun lprun xmode colors color page notebook dirs automagic autoawait autoindent autocall gui pylab "
        "logstate connect_info aimport subshell tb pdb less more cat head tail"
    )
)
PYTHON_MAGICS = frozenset({"time", "timeit", "prun", "debug", "capture", "memit", "lprun", "mprun"})
"""Magics whose text (after options) is Python of this kernel."""
SHELL_MAGICS = frozenset(
    _words(
        "bash sh script cmd system sx sc perl ruby zsh powershell python python2 python3 pypy pypy3 mkdir rm "
        "rmdir mv cp man bg killbgscripts ldir lf lk ll lx"
    )
)
INSTALL_MAGICS = frozenset({"pip", "conda", "mamba", "micromamba", "uv"})
TEXT_MAGICS = frozenset({"html", "HTML", "svg", "SVG", "latex", "markdown"})
SHELL_METHODS = frozenset({"system", "getoutput", "system_raw", "system_piped"})
CODE_METHODS = frozenset({"run_cell", "run_cell_async", "ex", "ev", "safe_execfile", "run_code", "run_ast_nodes"})
FORGETTING_MAGICS = frozenset({"reset", "reset_selective", "xdel"})
CODE_MAGICS = frozenset(
    _words("run load loadpy macro edit ed rerun recall rep javascript js codeact store alias alias_magic rehashx")
)

# Patterns are texts: `re` compiles and keeps each at its first use, which is not when the extension is loaded.
SHELL_DELETE = r"(?:^|[\s;&|(`/])(?:rm|rmdir|unlink|shred|truncate|mkfs\S*|dd)\s|\s-delete\b"
SHELL_NETWORK = (
    r"(?:^|[\s;&|(`/])(?:curl|wget|ssh|scp|sftp|rsync|ftp|nc|ncat|netcat|telnet|ping|dig|nslookup|aws|gsutil|gh|"
    r"git\s+(?:clone|push|pull|fetch)|kaggle)\s"
)
SHELL_INSTALL = (
    r"(?:^|[\s;&|(`/])(?:pip[\d.]*|conda|mamba|micromamba|uv(?:\s+pip)?|apt|apt-get|brew|npm|yarn|gem|cargo|dnf|yum|"
    r"apk|poetry|easy_install)\s(?:[^;&|\n]*\s)?(?:install|uninstall|remove|add|sync|update|upgrade|create)\b"
    r"|\s-m\s+spacy\s+download\s"
)
SHELL_REDIRECT = r"(?<![<>&\d])(>>|>\||>)\s*([^\s;&|<>()]+)|\btee\s+(-a\s+)?([^\s;&|<>()]+)"
"""Groups: how, where to; `tee`'s option to append, where to."""
SHELL_SECRETS = r"\$\{?\w*(?:KEY|TOKEN|SECRET|PASSW)\w*|(?:^|[\s;&|])(?:printenv|env)\s*(?:$|[;&|\n])"
SHELL_COMPOUND = r"[;&|`\n<>]|\$\("

PRIVATE_FILE = (
    r"(?:^|[\s/=\"'~])(?:\.(?:ssh|aws|gnupg|kube|azure)(?:/\S*)?|\.(?:netrc|pgpass|git-credentials|npmrc|pypirc)"
    r"|\.env(?:\.\w+)?|\.(?:bash|zsh|sh)(?:rc|_profile|_history)|\.(?:python_history|profile)"
    r"|\.docker/config\.json|\.config/gcloud\S*|\.kaggle\S*|id_(?:rsa|dsa|ecdsa|ed25519)(?:\.\w+)?"
    r"|\S*\.(?:pem|p12|pfx|jks|keystore|kdbx)"
    r"|etc/(?:passwd|shadow|sudoers)|proc/(?:self|\d+)/environ)(?=$|[\s\"',;)])"
)
SETTINGS_SUFFIX = r"(?i)(?:^[^.]*|\.(?:json|ya?ml|toml|ini|cfg|conf|txt|env|key|properties))$"
"""How the names of files end that may hold settings."""
URL = r"(?i)(?:https?|ftps?|s3[an]?|gs|gcs|az|abfss?|hf|sftp|ssh|postgres(?:ql)?\S*|mysql\S*)://"
URL_READERS = (
    r"(?:^|\.)(?:(?:read|scan|open|load|fetch|get|download|request|crawl|scrape|connect|import)_\w+|open|loadtxt"
    r"|genfromtxt|imread|load|read|fetch|parse|ParquetFile|create_engine|connect|url(?:open|retrieve)|Image|IFrame"
    r"|get|post|put|request|download|goto|clone|clone_from|use|\w*(?:Client|Session|Connection))$"
)
SQL_URL = rf"(?i)(?:\bfrom|\bjoin|\battach|\bcopy|\bto|\()\s*'{URL[4:]}"
SQL_LOSS = r"(?i)(?:^|;)\s*(?:DROP|DELETE|TRUNCATE)\b|(?:^|;)\s*ALTER\s+TABLE\b[^;]*\bDROP\b"
SQL_CHANGE = r"(?i)(?:^|;)\s*(?:UPDATE|REPLACE|MERGE|INSERT\s+OR\s+REPLACE)\b"
SQL_METHODS = frozenset({"execute", "executescript", "executemany", "sql", "query", "read_sql", "read_sql_query"})
