"""Keep what users fill in before a conversation: checked against the form of the settings, sealed.

An email address is also where people answer when the user has left.
"""

from collections.abc import Mapping, Sequence

from chatpush.errors import InvalidInput
from chatpush.store.vault import Vault
from chatpush.support.conversations.conversations import Conversations
from chatpush.support.conversations.turns import Change, Conversation
from chatpush.support.people.letters import checked_address
from chatpush.support_settings import PrechatField

LONGEST_ANSWER = 2000


class Prechat:
    """The answers of all conversations; ``fields`` is the form."""

    def __init__(self, vault: Vault, conversations: Conversations, fields: Sequence[PrechatField]) -> None:
        self._vault = vault
        self._conversations = conversations
        self._fields = fields

    def checked(self, answers: Mapping[str, str]) -> dict[str, str]:
        """Return the answers that were given.

        Raises:
            InvalidInput: one is missing, malformed, too long, or was not asked for.
        """
        known = {field.name: field for field in self._fields}
        if unknown := sorted(set(answers) - set(known)):
            raise InvalidInput(f"the form has no field {unknown[0]!r}", param="prechat")
        given = {name: answers.get(name, "").strip() for name in known}
        for name, answer in given.items():
            field = known[name]
            if field.required and not answer:
                raise InvalidInput(f"{name} is needed", param=f"prechat.{name}")
            if len(answer) > LONGEST_ANSWER:
                raise InvalidInput(f"{name} has at most {LONGEST_ANSWER} characters", param=f"prechat.{name}")
            if answer and field.type == "select" and answer not in field.options:
                raise InvalidInput(f"{name} is one of {', '.join(field.options)}", param=f"prechat.{name}")
            if answer and field.type == "email":
                given[name] = checked_address(answer)
        return {name: answer for name, answer in given.items() if answer}

    async def keep(self, conversation: Conversation, answers: Mapping[str, str]) -> None:
        """Store checked answers with their conversation."""
        seal, tenant, user, id_ = (
            self._conversations.rows.seal, conversation.tenant, conversation.user, conversation.id,
        )  # fmt: skip
        await self._vault.ready(tenant, user)
        columns = {"prechat_sealed": seal(tenant, user, id_, "prechat_sealed", dict(answers))}
        emails = [
            answers[field.name] for field in self._fields if field.type == "email" and field.name in answers
        ]
        if emails:
            columns["contact_sealed"] = seal(tenant, user, id_, "contact_sealed", emails[0])
        await self._conversations.change(conversation, Change(columns=columns))
