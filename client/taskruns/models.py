"""What goes over HTTP: the generated Structs, enums and unions under a name that lasts."""

from taskruns._generated.models import *  # noqa: F403
