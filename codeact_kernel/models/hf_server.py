"""A transformers model's own process: `python -m codeact_kernel.models.hf_server --model TARGET --state FILE ...`.

It speaks the OpenAI chat protocol on the loopback, to whoever can read its state file, and lives and ends as the
embedded model's process does (`models.server`). One reply is written at a time. A client that closes its
connection is not written for any longer: that is how Stop comes, between two tokens or two parts of a prompt.
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import importlib
import json
import os
import secrets
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codeact_kernel.models import hf_chat, hf_loading, server
from codeact_kernel.models.hf_engine import Counts, Engine, How, TooLongError
from codeact_kernel.models.locks import locked
from codeact_kernel.models.wire import StopFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LARGEST_REQUEST = 64 << 20
REPLY_TOKENS = 1024
WAIT_SECONDS = 0.2


class GoneError(Exception):
    """The client closed its connection."""


class Service:
    """The loaded model behind the protocol, and when it was last of use."""

    def __init__(
        self,
        loaded: hf_loading.Loaded,
        token: str,
        *,
        codeact: bool = False,
        draft: hf_loading.Loaded | None = None,
    ) -> None:
        self.token, self.codeact = token, codeact
        self.loaded = loaded
        drafter = Engine(draft.model, loaded.ends, draft.window) if draft else None
        self.engine = Engine(loaded.model, loaded.ends, loaded.window, draft=drafter)
        self.turn = threading.Lock()
        self.active, self.waiting = time.monotonic(), 0

    def events(self, body: Mapping[str, Any], gone: Any) -> Iterator[dict[str, Any]]:
        """Yield the events of one reply: pieces of text, the finish reason, the usage.

        Raises:
            TooLongError: the conversation does not fit the window.
            GoneError: from `gone`, which is called between tokens.
        """
        tokenizer = self.loaded.tokenizer
        text = hf_chat.render(tokenizer, body["messages"], codeact=self.codeact)
        prompt = list(tokenizer(text, add_special_tokens=False)["input_ids"])
        counts, pieces, stops = Counts(), hf_chat.Pieces(tokenizer), StopFilter(body.get("stop") or ())
        how = _how(body)
        reply = self.engine.reply(prompt, how, counts, gone)
        with contextlib.closing(reply):
            for token in reply:
                if piece := stops.feed(pieces.feed(token)):
                    yield _piece(piece)
                if stops.matched:
                    break
        rest = stops.feed(pieces.flush())
        if piece := rest + stops.flush():
            yield _piece(piece)
        ended = "stop_sequence" if stops.matched else "stop" if counts.ended else "length"
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": ended}]}
        yield {
            "choices": [],
            "usage": {
                "prompt_tokens": counts.prompt,
                "completion_tokens": counts.written,
                "prompt_tokens_details": {"cached_tokens": counts.cached},
                "passes": counts.passes,
            },
        }


def _piece(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


def _how(body: Mapping[str, Any]) -> How:
    seed = body.get("seed")
    return How(
        max_tokens=int(body.get("max_tokens") or REPLY_TOKENS),
        temperature=float(body.get("temperature") or 0.0),
        top_p=float(body.get("top_p") or 1.0),
        seed=None if seed is None else int(seed),
        lookup=int(body.get("prompt_lookup") or 0),
        draft=int(body.get("draft_tokens") or 0),
        fresh=not body.get("cache_prompt", True),
        endless=bool(body.get("ignore_eos")),
    )


class Handler(BaseHTTPRequestHandler):
    """One connection. Only `POST /v1/chat/completions` with the token is answered."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: what people ask belongs into no log."""

    def do_POST(self) -> None:
        """Answer a chat completion."""
        service = self.server.service
        self.close_connection = True
        said = self.headers.get("Authorization", "")
        if not hmac.compare_digest(said.encode(), f"Bearer {service.token}".encode()):
            self._refuse(401, "the token is missing or wrong")
            return
        body = self._body()
        if body is None:
            return
        service.waiting += 1
        try:
            self._answer(service, body)
        finally:
            service.waiting -= 1
            service.active = time.monotonic()

    def _body(self) -> dict[str, Any] | None:
        if self.path != "/v1/chat/completions":
            self._refuse(404, "there is only /v1/chat/completions")
            return None
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= LARGEST_REQUEST:
            self._refuse(413, "the request is empty or too large")
            return None
        try:
            body = json.loads(self.rfile.read(length))
            messages = [{"role": str(one["role"]), "content": str(one["content"])} for one in body["messages"]]
            _how(body)
        except (ValueError, KeyError, TypeError):
            self._refuse(400, "the request is no chat completion")
            return None
        if not messages:
            self._refuse(400, "there are no messages")
            return None
        return {**body, "messages": messages}

    def _answer(self, service: Service, body: Mapping[str, Any]) -> None:
        """Wait for the turn and stream the reply; the head is sent with the first event."""
        try:
            while not service.turn.acquire(timeout=WAIT_SECONDS):
                self._check()
        except GoneError:
            return
        try:
            begun = False
            for event in service.events(body, self._check):
                if not begun:
                    self._head()
                    begun = True
                self._send(json.dumps(event))
            self._send("[DONE]")
            self.wfile.write(b"0\r\n\r\n")
        except (GoneError, OSError):
            return
        except TooLongError as error:
            self._refuse(400, f"the prompt is too long: {error}")
        except Exception as error:
            self._failed(error, begun=begun)
        finally:
            service.turn.release()

    def _failed(self, error: Exception, *, begun: bool) -> None:
        """Tell of what went wrong in the model: a shortage of memory, a template that refuses the messages."""
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        sys.stderr.write(f"a reply failed: {said}\n")
        with contextlib.suppress(OSError):
            if begun:
                self._send(json.dumps({"error": {"message": said, "code": 400}}))
            else:
                self._refuse(422, said)

    def _check(self) -> None:
        """Raise `GoneError` when the client has closed its connection."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise GoneError

    def _head(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()

    def _send(self, data: str) -> None:
        block = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        self.wfile.flush()

    def _refuse(self, status: int, said: str) -> None:
        body = json.dumps({"error": {"message": said, "code": status}}).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, service: Service) -> None:
        self.service = service
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a connection that breaks is the client's to tell."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until idle; return 0 also if another process holds the lock, 1 if the model could not be loaded."""
    parser = argparse.ArgumentParser(prog="codeact_kernel.models.hf_server")
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", default="")
    parser.add_argument("--state", required=True, type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--codeact", action="store_true", help="speak CodeActAgent's format")
    parser.add_argument("--draft", default="", help="a smaller model that guesses ahead")
    parser.add_argument("--threads", default=0, type=int)
    parser.add_argument("--idle-minutes", default=15.0, type=float)
    options = parser.parse_args(arguments)
    with contextlib.ExitStack() as stack:
        try:
            # A client that looks whether a server lives holds the lock for a moment.
            stack.enter_context(locked(options.state.with_suffix(".lock"), seconds=server.LOCK_SECONDS))
        except TimeoutError:
            return 0
        token = secrets.token_urlsafe(32)
        try:
            importlib.import_module("torch").set_num_threads(options.threads or server.default_threads())
            loaded = hf_loading.load(options.model, options.device)
            draft = hf_loading.load_draft(options.draft, options.device, loaded) if options.draft else None
            service = Service(loaded, token, codeact=options.codeact, draft=draft)
        except Exception as error:
            sys.stderr.write(f"cannot load: {' '.join(str(error).split()) or type(error).__name__}\n")
            return 1
        listener = _Server(service)
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        server.write_state(options.state, token, listener.server_address[1], window=service.loaded.window)
        _watch(service, options.state, token, options.idle_minutes * 60)
        server.remove_state(options.state, token)
        sys.stdout.flush()
        sys.stderr.flush()
        # A reply that nobody waits for may be under way.
        os._exit(0)


def _watch(service: Service, state: Path, token: str, idle_seconds: float) -> None:
    """Return when nothing was asked for `idle_seconds`, or when the state file is gone or another's."""
    service.active = time.monotonic()
    while server.owns(state, token):
        if service.waiting:
            service.active = time.monotonic()
        if time.monotonic() - service.active > idle_seconds:
            return
        time.sleep(min(server.WATCH_SECONDS, idle_seconds / 4))


if __name__ == "__main__":
    sys.exit(main())
