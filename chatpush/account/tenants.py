"""Keep the tenants of this installation apart, and know the secret of each.

A default tenant always exists; a small shop never needs another. Each tenant
has a secret that its backend signs user tokens with. It is sealed at rest,
made here if nobody chose one; for the default tenant the setting
``client.token.hmac_secret_key`` wins, so that a config file is enough.
"""

import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from chatpush.account.audit import Audit
from chatpush.account.plans import PLANS
from chatpush.clock import Clock
from chatpush.domain import DEFAULT_TENANT, Identity, TenantId, from_ms, to_ms
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.settings import Settings
from chatpush.store.database import Database, Row, Transaction
from chatpush.store.vault import Vault

SECRET_BYTES = 32
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Tenant:
    """One isolated customer of the installation."""

    id: TenantId
    name: str
    region: str
    plan: str
    plan_since: datetime
    created_at: datetime


class Tenants:
    """All tenants of the installation."""

    def __init__(
        self, database: Database, vault: Vault, clock: Clock, settings: Settings, audit: Audit
    ) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._settings = settings
        self._audit = audit
        self._known: dict[TenantId, Tenant] = {}
        self._secrets: dict[TenantId, str] = {}

    async def start(self) -> None:
        """Make the default tenant if it is missing, and move it to the plan in the settings."""
        plan = self._settings.plan.name
        row = await self._row_of(DEFAULT_TENANT, "Default", plan, "home")

        def ensure(tx: Transaction) -> None:
            tx.insert("tenant", row, "(tenant) DO NOTHING")
            tx.execute(
                "UPDATE tenant SET plan = :plan, plan_since_at = :now WHERE tenant = :t AND plan <> :plan",
                plan=plan, now=to_ms(self._clock.now()), t=DEFAULT_TENANT,
            )  # fmt: skip

        await self._database.write(ensure)
        self._known.pop(DEFAULT_TENANT, None)

    async def create(
        self, tenant: str, name: str, *, plan: str = "trial", region: str = "home", by: Identity | None = None
    ) -> Tenant:
        """Add a tenant with a fresh secret.

        Raises:
            InvalidInput: the id, name or plan can't be used.
            Conflict: the id is taken.
        """
        if not NAME.fullmatch(tenant):
            raise InvalidInput(
                "a tenant's id is 1 to 63 characters a-z, 0-9 and -, starting with a letter", param="id"
            )
        if not name.strip() or len(name) > LONGEST_TITLE:
            raise InvalidInput(f"a tenant's name has 1 to {LONGEST_TITLE} characters", param="name")
        if plan not in PLANS:
            raise InvalidInput(f"no plan {plan!r}; there are {', '.join(PLANS)}", param="plan")
        row = await self._row_of(TenantId(tenant), name.strip(), plan, region)

        def insert(tx: Transaction) -> None:
            if not tx.insert("tenant", row, "(tenant) DO NOTHING"):
                raise Conflict(f"there is a tenant {tenant} already", param="id")
            self._audit.record_in(tx, TenantId(tenant), by, "tenant.create", tenant)

        await self._database.write(insert)
        return await self.get(TenantId(tenant))

    async def get(self, tenant: TenantId) -> Tenant:
        """Return a tenant.

        Raises:
            NotFound: there is none with this id.
        """
        if tenant not in self._known:
            rows = await self._database.read("SELECT * FROM tenant WHERE tenant = :t", t=tenant)
            if not rows:
                raise NotFound(f"no tenant {tenant}")
            self._known[tenant] = _tenant(rows[0])
        return self._known[tenant]

    async def ids(self) -> list[TenantId]:
        """Return the ids of all tenants, oldest first."""
        return [tenant.id for tenant in await self.list()]

    async def list(self) -> list[Tenant]:
        """Return all tenants, oldest first."""
        rows = await self._database.read("SELECT * FROM tenant ORDER BY created_at, tenant")
        return [_tenant(row) for row in rows]

    async def change_plan(self, tenant: TenantId, plan: str, by: Identity | None = None) -> Tenant:
        """Move a tenant to another plan from now on; its billing periods start anew.

        Raises:
            InvalidInput: there is no such plan.
            NotFound: there is no such tenant.
        """
        if plan not in PLANS:
            raise InvalidInput(f"no plan {plan!r}; there are {', '.join(PLANS)}", param="plan")

        def change(tx: Transaction) -> None:
            changed = tx.execute(
                "UPDATE tenant SET plan = :plan, plan_since_at = :now WHERE tenant = :t",
                plan=plan, now=to_ms(self._clock.now()), t=tenant,
            )  # fmt: skip
            if not changed:
                raise NotFound(f"no tenant {tenant}")
            self._audit.record_in(tx, tenant, by, "tenant.change_plan", plan)

        await self._database.write(change)
        self._known.pop(tenant, None)
        return await self.get(tenant)

    async def secret_of(self, tenant: TenantId) -> str:
        """Return the secret that signs this tenant's user tokens (HS256).

        Raises:
            NotFound: there is no such tenant.
        """
        configured = self._settings.client.token.hmac_secret_key
        if tenant == DEFAULT_TENANT and configured:
            return configured
        if tenant not in self._secrets:
            rows = await self._database.read(
                "SELECT token_secret_sealed FROM tenant WHERE tenant = :t", t=tenant
            )
            if not rows:
                raise NotFound(f"no tenant {tenant}")
            await self._vault.ready(tenant)
            self._secrets[tenant] = self._vault.open_text(
                tenant, "", "tenant", "token_secret_sealed", tenant, rows[0]["token_secret_sealed"]
            )
        return self._secrets[tenant]

    async def _row_of(self, tenant: TenantId, name: str, plan: str, region: str) -> Row:
        await self._vault.ready(tenant)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = to_ms(self._clock.now())
        return {
            "tenant": tenant,
            "name": name,
            "region": region,
            "plan": plan,
            "plan_since_at": now,
            "token_secret_sealed": self._vault.seal_text(
                tenant, "", "tenant", "token_secret_sealed", tenant, secret
            ),
            "created_at": now,
        }


def _tenant(row: Row) -> Tenant:
    return Tenant(
        TenantId(row["tenant"]),
        row["name"],
        row["region"],
        row["plan"],
        from_ms(row["plan_since_at"]),
        from_ms(row["created_at"]),
    )
