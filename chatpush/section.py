"""What every part of the settings tree is: frozen, and refusing names it does not know."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)
