"""How the make-believe Ginee's notifications travel: addresses, signatures, troubles, retries, and what was answered."""

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from marketplaces.sandbox import OVERTAKE_SECONDS
from marketplaces.sandbox_faults import WEBHOOK_MODES, Fault
from marketplaces.sandbox_words import Json, Message, Refusal, Response, Seller
from marketplaces.services.ginee.sandbox_events import DISGUISES, other_body
from marketplaces.services.ginee.sandbox_switches import Switches

if TYPE_CHECKING:
    from marketplaces.services.ginee.sandbox import Sandbox

ANSWER_SECONDS = 5.0
RETRY_SECONDS = (5.0, 30.0, 120.0)
SHOWN_BYTES = 1000
MODES = frozenset(DISGUISES) | {"same_id", "no_authorization"}
ON_THE_WAY = ("duplicate", "reorder", "delay", "drop")
ONLY_OF = {"partial_delete": "GIN-04"}


class SentEvents:
    """Sends, sends again, and keeps what came back. The caller of what is not public holds the sandbox's lock."""

    def __init__(self, sandbox: "Sandbox", seed: int | None) -> None:
        self._sandbox = sandbox
        self._random = random.Random(seed)  # noqa: S311  (no secret)

    def emit(self, op: str, kind: str, receivers: Iterable[Seller], document: Json, about: str) -> None:
        for seller in receivers:
            faults = self._faults(op)
            modes = frozenset(fault.mode for fault in faults)
            message = self._message(op, kind, seller, document, about, modes)
            late = sum(fault.seconds for fault in faults if fault.mode == "delay")
            late += OVERTAKE_SECONDS if "reorder" in modes else 0.0
            self._post(message, late, 2 if "duplicate" in modes else 1)
            if "same_id" in modes:
                second = self._message(op, kind, seller, other_body(document), about, modes)
                self._post(second, late + 1, 1)

    def replay(self, event_id: str) -> Message:
        """Send what was sent once more, byte for byte. Raises Refusal."""
        with self._sandbox.lock:
            found = [message for message in self._sandbox.messages if message.id == event_id]
            if not found:
                raise Refusal(404, "", "There is no such event")
            again = replace(found[-1], modes=found[-1].modes - {*ON_THE_WAY, "held"}, attempts=[], is_over=False)
            again.happened_at = self._sandbox.clock.time()
            self._sandbox.messages.append(again)
            self._sandbox.after(0.0, lambda: self._sandbox.attempt(again))
            return again

    def _faults(self, op: str) -> list[Fault]:
        """What was ordered to go wrong with an event, and what goes wrong by the switches' chances."""
        faults = {fault.mode: fault for fault in self._sandbox.faults.take_all(op, WEBHOOK_MODES | MODES)}
        for mode in (*ON_THE_WAY, *DISGUISES, "same_id"):
            # Drawn for each, whatever the chance: one switch does not move what another one does.
            strikes = self._random.random() < getattr(self._sandbox.switches, mode)
            seconds = self._random.uniform(0, self._sandbox.switches.delay_seconds)
            if strikes and mode not in faults and ONLY_OF.get(mode, op) == op:
                faults[mode] = Fault(op, mode, seconds=seconds)
        return list(faults.values())

    def _message(
        self, op: str, kind: str, seller: Seller, document: Json, about: str, modes: frozenset[str]
    ) -> Message:
        body = self._sandbox.disguised(document, modes)
        return Message(
            id=str(json.loads(body)["id"]),
            op=op,
            kind=kind,
            about=about,
            seller=self._addressed(seller, document["entity"]),
            document=document,
            body=body,
            modes=modes,
            happened_at=self._sandbox.clock.time(),
        )

    def _post(self, message: Message, late: float, times: int) -> None:
        self._sandbox.messages.append(message)
        if not self._sandbox.switches.is_sending:
            message.modes |= {"held"}
            message.is_over = True
            return
        for repeat in range(times):
            self._sandbox.after(late + repeat, lambda: self._sandbox.attempt(message))

    def _addressed(self, seller: Seller, entity: str) -> Seller:
        """The account with the address and the registered path of this entity's notifications."""
        switches = self._sandbox.switches

        def address(url: str) -> str:
            if not url:
                return url
            root, slash = url.rstrip("/"), "/" if url.endswith("/") and switches.keeps_slash else ""
            return f"{root}/{entity}{slash}" if switches.is_per_module else f"{root}{slash}"

        return replace(seller, url=address(seller.url), signed_url=address(seller.signed_url or seller.url))

    # --- after an answer -------------------------------------------------------------------------------------

    def plan_resend(self, message: Message) -> None:
        """A notification that was not answered 200 within five seconds comes again."""
        answered = any(attempt["status"] == 200 and not attempt["is_slow"] for attempt in message.attempts)
        made = len(message.attempts) - ("duplicate" in message.modes)
        waits = RETRY_SECONDS[: self._sandbox.switches.retries]
        message.is_over = answered or "drop" in message.modes or made > len(waits)
        if not message.is_over and made > 0:
            self._sandbox.after(waits[made - 1], lambda: self._sandbox.attempt(message))

    def complaints(self) -> list[Json]:
        """Return every attempt that was answered wrongly, slowly or not at all."""
        with self._sandbox.lock:
            return [
                {"id": message.id, "about": message.about, **attempt}
                for message in self._sandbox.messages
                for attempt in message.attempts
                if attempt["problem"] not in ("", "lost on the way")
            ]


def judge(answer: Response | None, seconds: float) -> Json:
    """Say what is wrong with an answer: status 200, JSON, exactly `{"status": true}`, within five seconds."""
    if answer is None:
        return {"is_slow": seconds > ANSWER_SECONDS, "body": "", "problem": "no answer"}
    is_slow = seconds > ANSWER_SECONDS
    problem = ""
    if answer.status != 200:
        problem = f"status {answer.status}"
    elif not _is_thanks(answer):
        problem = 'the body is not {"status": true} as JSON'
    elif is_slow:
        problem = f"slower than {ANSWER_SECONDS:g} s"
    return {"is_slow": is_slow, "body": answer.body[:SHOWN_BYTES].decode(errors="replace"), "problem": problem}


def _is_thanks(answer: Response) -> bool:
    kind = next((value for name, value in answer.headers.items() if name.lower() == "content-type"), "")
    try:
        document = json.loads(answer.body)
    except ValueError:
        return False
    is_true = isinstance(document, dict) and document.keys() == {"status"} and document["status"] is True
    return is_true and kind.split(";")[0].strip() == "application/json"


def signature(secret: str, method: str, path: str) -> str:
    """Return Base64 of HMAC-SHA256 over the method and the path (2.1)."""
    message = f"{method.upper()}${path}$"
    return base64.b64encode(hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()).decode()


def headers_of(message: Message, switches: Switches) -> dict[str, str]:
    """Return the headers of an attempt, as the switches have it."""
    headers: dict[str, str] = {"Content-Type": "application/json", "User-Agent": "Ginee-Sandbox"}
    auth = "wrong_signature" if "wrong_signature" in message.modes else switches.auth
    if "no_authorization" in message.modes:
        return headers
    return headers | _authorization(message.seller, auth, switches)


def _authorization(seller: Seller, auth: str, switches: Switches) -> dict[str, str]:
    secret = next(iter(seller.secrets), "") or seller.credentials.get("secret_key", "")
    right = signature(secret, "POST", switches.signed_path or urlsplit(seller.signed_url).path)
    match auth:
        case "signature":
            return {"Authorization": right}
        case "key_signature":
            return {"Authorization": f"{seller.credentials.get('access_key', '')}:{right}"}
        case "wrong_signature":
            return {"Authorization": ("B" if right[0] == "A" else "A") + right[1:]}
        case "shared_secret":
            return {switches.secret_header: secret}
        case "wrong_secret":
            return {switches.secret_header: secret[::-1] + "x"}
    return {}
