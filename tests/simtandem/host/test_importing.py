import gc
import subprocess
import sys

from simtandem.host.importing import without_collecting


def test_garbage_is_collected_again_after_an_import_that_failed() -> None:
    assert gc.isenabled()
    try:
        with without_collecting():
            assert not gc.isenabled()
            raise ImportError
    except ImportError:
        pass
    assert gc.isenabled()
    gc.unfreeze()


def test_what_is_imported_already_stays_and_what_is_not_used_is_no_more() -> None:
    program = (
        "import sys, hypothesis; from simtandem.host.importing import leave_out_unused; leave_out_unused();"
        "import httpx; print(sys.modules['hypothesis'] is hypothesis, 'rich.syntax' in sys.modules, httpx.codes.OK)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "False", "200"]


def test_httpx_does_without_http2_until_a_client_is_asked_to_speak_it() -> None:
    program = (
        "import sys; from simtandem.host.importing import import_caller; import_caller('simtandem.carriers.http_call');"
        "print('httpcore' in sys.modules, 'h2' in sys.modules); import httpx; httpx.Client(http2=True, verify=False);"
        "import h2.connection, httpcore._async.http2; print(h2.connection.__name__)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True", "False", "h2.connection"]
