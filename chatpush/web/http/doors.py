"""Say who may come in where.

Every operation has one ``Door``. An identity passes if any of the door's locks
fits it. ``tests/web/test_doors.py`` walks every operation with every kind of
identity against this declaration.
"""

from dataclasses import dataclass

from chatpush.domain import Identity, IdentityKind, Role
from chatpush.errors import Forbidden, Unauthenticated


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in: keys with a scope, signed-in users, people from a role on, or anyone."""

    scope: str = ""
    user: bool = False
    role: Role | None = None
    publishable: bool = False
    anyone: bool = False

    def fits(self, identity: Identity) -> bool:
        """Return whether the identity may come in."""
        if self.anyone:
            return True
        match identity.kind:
            case IdentityKind.KEY:
                return bool(self.scope) and identity.has_scope(self.scope)
            case IdentityKind.USER:
                return self.user
            case IdentityKind.PERSON:
                return self.role is not None and identity.role is not None and identity.role.covers(self.role)
            case IdentityKind.ANONYMOUS:
                return self.publishable

    def check(self, identity: Identity) -> None:
        """Let the identity in.

        Raises:
            Unauthenticated: nobody we know came to a door that needs somebody.
            Forbidden: somebody we know came to the wrong door.
        """
        if self.fits(identity):
            return
        if identity.kind is IdentityKind.ANONYMOUS:
            raise Unauthenticated(f"this needs {self.words()}")
        raise Forbidden(f"this needs {self.words()}")

    def words(self) -> str:
        """Say in words what opens the door."""
        ways = []
        if self.scope:
            ways.append(f"a secret key with scope {self.scope}")
        if self.user:
            ways.append("a user token")
        if self.role:
            ways.append(f"a console session of role {self.role} or above")
        return " or ".join(ways) or "nothing"
