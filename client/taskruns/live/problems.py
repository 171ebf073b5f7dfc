"""Problems that a stream reports after its response has begun, as the errors that a response would have been."""

from taskruns.errors import ProblemError
from taskruns.models import Problem


def problem(kind: type[ProblemError], detail: str, path: str) -> ProblemError:
    """Returns an error of a class that has a code and a status."""
    code, status = kind.of_code, kind.of_status
    assert code is not None
    assert status is not None
    return kind(
        Problem(
            code=code,
            detail=detail,
            instance=path,
            request_id="",
            status=status,
            title=code.replace("-", " ").capitalize(),
            type=f"urn:taskruns:problem:{code}",
        )
    )
