# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tshark with the plugin that was built, and without it."""
import functools
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MAF_BUILD_DIR", ROOT / "build" / "check")).absolute()
NOWHERE = BUILD / "nothing"  # never made: no plugins, no preferences
BOOLEANS = {"True": "1", "False": "0"}  # since Wireshark 4.2
OUT_OF_ORDER = ("-o", "tcp.reassemble_out_of_order:TRUE")


@functools.cache
def _become():
    """Wireshark loads no personal plugins for root: what to put before it, to run as somebody else."""
    if os.getuid() and os.getgid():
        return ()
    for way in (("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "+dac_override",
                 "--ambient-caps", "+dac_override"),
                ("unshare", "--user", "--map-user=1000", "--map-group=1000"),
                ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")):
        try:
            if subprocess.run([*way, "cat", __file__], capture_output=True, check=False).returncode == 0:
                return way
        except FileNotFoundError:
            pass
    raise RuntimeError("Wireshark loads no plugins for root, and becoming another user is not permitted here")


def tshark(capture, *arguments, plugin=True):
    """What tshark prints of a capture (bytes). It must end well and print nothing on standard error but warnings
    about root."""
    plugins = BUILD / "plugins" if plugin else NOWHERE
    if plugin and not plugins.is_dir():
        raise FileNotFoundError(f"no plugin in {BUILD}: build it, or set MAF_BUILD_DIR")
    environment = os.environ | {
        "LC_ALL": "C", "TZ": "UTC", "HOME": str(NOWHERE), "XDG_CONFIG_HOME": str(NOWHERE),
        "WIRESHARK_CONFIG_DIR": str(NOWHERE), "WIRESHARK_PLUGIN_DIR": str(plugins)}
    run = subprocess.run([*_become(), "tshark", "-n", "-r", str(capture), *arguments], env=environment,
                         capture_output=True, check=False)
    if run.returncode:
        raise RuntimeError(f"tshark ended with {run.returncode}: {run.stderr.decode()}")
    return run.stdout


def fields(capture, names, *arguments, plugin=True):
    """One dict a packet: of each field, the list of its values as text."""
    wanted = [word for name in names for word in ("-e", name)]
    output = tshark(capture, *arguments, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=;", *wanted,
                    plugin=plugin)
    rows = []
    for line in output.decode("utf-8", "replace").removesuffix("\n").split("\n") if output else ():
        values = line.split("\t")
        rows.append({name: [BOOLEANS.get(one, one) for one in value.split(";")] if value else []
                     for name, value in zip(names, values, strict=True)})
    return rows


def reads_as_stock(capture, *arguments):
    """Whether everything tshark prints of the capture is the same without the plugin; else the first line that
    differs."""
    for form in (("-V",), ("-T", "json", "-x")):
        ours, stock = (tshark(capture, *arguments, *form, plugin=plugin).splitlines() for plugin in (True, False))
        if ours != stock:
            differing = [pair for pair in zip(ours, stock) if pair[0] != pair[1]]
            return f"{form}: {differing[0] if differing else 'one is longer'}"
    return None
