#!/bin/sh
# Prepares this checkout for cargo: finds or installs libtorch, and links `.libtorch` to it.
#
#   scripts/setup.sh            what building and running need
#   scripts/setup.sh --tests    also the Python packages that the tests compare with, and Jupyter, which they talk to
#   scripts/setup.sh --site     also the Python packages that make the site
#   scripts/setup.sh --nccl     also headers of CUDA's that the NCCL backend is compiled with
#
# libtorch comes from, in this order: an exported LIBTORCH of the right version; where `.libtorch` points already; the
# user's cache folder, shared by all checkouts; a fresh install into that folder, by pip, since the PyTorch wheel holds a
# whole libtorch. `.cargo/config.toml` tells cargo to look at `.libtorch`.
#
# Everything here is quick when there is nothing to do: `make demo` runs it each time.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
requirements=$root/scripts/requirements.txt
version=$(sed -n 's/^torch==//p' "$requirements")
cache=${XDG_CACHE_HOME:-${HOME:-}/.cache}/jemscript
link=$root/.libtorch
python_link=$root/.python
notebooks=$root/scripts/requirements-notebooks.txt
site=$root/scripts/requirements-site.txt
nccl=$root/scripts/requirements-nccl.txt
nccl_link=$root/.nccl

say() { printf '%s\n' "$*"; }

# One sentence on what is wrong, one on what to do.
fail() {
    printf 'setup: %s\n' "$1" >&2
    printf '  remedy: %s\n' "$2" >&2
    exit 1
}

# What stands in the way of any build -------------------------------------------------------------------------------

check_tools() {
    system="$(uname -s) $(uname -m)"
    [ "$system" = "Linux x86_64" ] || fail "this machine is $system, and jemscript is built and tested on Linux x86_64 only." \
        "use a Linux x86_64 machine, container or virtual machine."

    command -v cargo > /dev/null || fail "Rust's build tool cargo is not on the PATH." \
        "install Rust from https://rustup.rs and open a new shell (or run: . \"\$HOME/.cargo/env\")."
    minimum=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    rust=$(rustc --version 2> /dev/null | cut -d ' ' -f 2) || true
    [ -n "$rust" ] || fail "rustc does not run." "run: rustup default stable"
    oldest=$(printf '%s\n%s\n' "$minimum" "${rust%%-*}" | sort -V | head -n 1)
    [ "$oldest" = "$minimum" ] || fail "Rust $rust is too old: jemscript needs $minimum or newer." "run: rustup update stable"

    command -v "${CXX:-c++}" > /dev/null || fail "there is no C++ compiler (${CXX:-c++}), which libtorch's bindings need." \
        "install one, on Debian or Ubuntu with: sudo apt install g++"
}

# libtorch --------------------------------------------------------------------------------------------------------

# The version of the libtorch in a folder, without its build tag (`+cu130`); nothing where there is none.
version_in() {
    if [ -f "$1/build-version" ]; then
        head -n 1 "$1/build-version"
    elif [ -f "$1/version.py" ]; then
        sed -n "s/^__version__ = ['\"]\(.*\)['\"]/\1/p" "$1/version.py"
    fi | sed 's/+.*//'
}

# Whether a folder holds the whole libtorch, of the right version.
usable() {
    [ "$(version_in "$1")" = "$version" ] && [ -e "$1/lib/libtorch_cpu.so" ] && [ -e "$1/include/ATen/ATen.h" ]
}

# The exported LIBTORCH: it wins, so a wrong one is an error, not a reason to look elsewhere.
check_given() {
    install_one="or run: unset LIBTORCH, and set-up finds or installs the right one."
    [ -d "$1" ] || fail "LIBTORCH is $1, which is not a folder." "correct it, $install_one"
    found=$(version_in "$1")
    if [ -z "$found" ]; then
        if [ -n "$(version_in "$1/torch")" ]; then
            fail "LIBTORCH is $1, but the libtorch is in its folder torch." "run: export LIBTORCH=$1/torch"
        fi
        fail "LIBTORCH is $1, which holds no libtorch (no build-version and no version.py)." "correct it, $install_one"
    fi
    [ "$found" = "$version" ] || fail "LIBTORCH is $1, version $found, and jemscript needs version $version exactly." \
        "point LIBTORCH to a $version, $install_one"
    usable "$1" || fail "LIBTORCH is $1, version $version, but its lib or include folder is not complete." \
        "install that libtorch again, $install_one"
}

find_libtorch() {
    given=${LIBTORCH:-}
    if [ -n "$given" ] && [ "$given" != "$link" ]; then
        check_given "$given"
        libtorch=$given
    elif usable "$link"; then
        libtorch=$link
    else
        libtorch=$cache/libtorch-$version/torch
        if [ -e "$cache/libtorch-$version" ]; then
            usable "$libtorch" || fail "the libtorch in $cache/libtorch-$version is not complete." \
                "run: rm -r '$cache/libtorch-$version', then make setup, which installs it again."
        else
            what="libtorch $version, as PyTorch, and what the tests compare with: 3 GB to download, 5 GB on disk"
            install_packages "$cache/libtorch-$version" 12 "$requirements"
        fi
    fi
    libtorch=$(readlink -f "$libtorch")
}

# Links the checkout to what was found. Cargo cannot see that a link changed, so it is told what to build anew.
link_libtorch() {
    before=$(readlink -f "$link" || true)
    [ "$before" = "$libtorch" ] && return
    if [ -e "$link" ] && [ ! -L "$link" ]; then
        fail "$link is in the way: it is not the link that set-up makes." "move it away, then run make setup."
    fi
    relinked=$([ -L "$link" ] && echo yes || echo no)
    ln -sfn "$libtorch" "$link"
    say "libtorch $version is at $libtorch"
    if [ "$relinked" = yes ] && [ -d "${CARGO_TARGET_DIR:-$root/target}/release" ]; then
        say "It was elsewhere before: its bindings will be built again."
        (cd "$root" && cargo clean --quiet --release -p torch-sys -p jemscript)
    fi
}

# Python packages for the tests -----------------------------------------------------------------------------------

check_python() {
    command -v python3 > /dev/null || fail "python3 is not on the PATH." \
        "install Python 3.10 or newer, on Debian or Ubuntu with: sudo apt install python3 python3-pip"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2> /dev/null ||
        fail "$(python3 --version 2>&1 | head -n 1) is too old: PyTorch $version needs Python 3.10 or newer." \
            "put a newer python3 first on the PATH."
}

check_pip() {
    python3 -m pip --version > /dev/null 2>&1 || fail "python3 has no pip, which installs libtorch." \
        "run: python3 -m ensurepip --upgrade (on Debian or Ubuntu: sudo apt install python3-pip)"
}

# Whether this python3 finds packages with a folder on its path. A package counts if one of its compiled modules fits
# this version of Python; importing it would tell too, but takes seconds.
finds() { # PYTHONPATH, then the packages
    path=$1
    shift
    PYTHONPATH=$path python3 -c '
import sys
from importlib.machinery import PathFinder

compiled = {"torch": "_C", "numpy": "_core/_multiarray_umath", "scipy": "_lib/_ccallback_c",
            "sklearn": "__check_build/_check_build", "zmq": "backend/cython/_zmq"}
for name in sys.argv[1:]:
    package = PathFinder.find_spec(name)
    if name not in compiled:
        if package is None:
            sys.exit(1)
        continue
    folder, _, module = compiled[name].rpartition("/")
    places = [f"{place}/{folder}" for place in package.submodule_search_locations or []] if package else []
    found = PathFinder.find_spec(module, places)
    if found is None or found.origin is None:
        sys.exit(1)
' "$@"
}

# The tests look into the folder that holds libtorch's `torch`, then into `.python`. Only what the first lacks is
# installed into a folder of its own, named for the Python and the list of packages it serves.
find_python_packages() {
    check_python
    beside=$(dirname "$libtorch")
    if finds "$beside" torch numpy scipy sklearn; then
        rm -f "$python_link"
        return
    fi
    if [ -e "$python_link" ] && finds "$beside:$python_link" torch numpy scipy sklearn; then
        return
    fi
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    if finds "$beside" torch; then
        grep -v '^torch==' "$requirements" > "$list"
        what="numpy, scipy and scikit-learn, which the tests compare with: 100 MB to download" gigabytes=1
    else
        cp "$requirements" "$list"
        what="PyTorch and what else the tests compare with, since python3 cannot load $libtorch: 3 GB to download"
        gigabytes=12
    fi
    tag=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    packages=$cache/python-$tag-$(cksum < "$list" | cut -d ' ' -f 1)
    [ -e "$packages" ] || install_packages "$packages" "$gigabytes" "$list"
    finds "$beside:$packages" torch numpy scipy sklearn ||
        fail "python3 does not find torch, numpy, scipy and scikit-learn in $packages." \
            "run: rm -r '$packages', then make test, which installs them again."
    ln -sfn "$packages" "$python_link"
}

# Packages in a folder of their own, named for the Python and the list of packages it serves, and a link to it.
find_packages() { # link's and folder's name, list, what they are, which target needs them, modules that must be there
    link_of=$root/$1
    wanted=$2 what=$3 target=$4
    tag=${1#.}
    shift 4
    check_python
    if [ -e "$link_of" ] && finds "$link_of" "$@"; then
        return
    fi
    packages=$cache/${tag#python-}-$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-$(cksum < "$wanted" | cut -d ' ' -f 1)
    [ -e "$packages" ] || install_packages "$packages" 1 "$wanted"
    finds "$packages" "$@" ||
        fail "python3 does not find all of $* in $packages." "run: rm -r '$packages', then make $target, which installs them again."
    ln -sfn "$packages" "$link_of"
}

find_notebook_packages() {
    find_packages .python-notebooks "$notebooks" "Jupyter, which the tests of notebooks talk to: 100 MB to download" test \
        zmq jupyter_client jupyter_kernel_test nbclient jupyterlab papermill
}

find_site_packages() {
    find_packages .python-site "$site" "mkdocs, which makes the site, and what it needs: 30 MB to download" site \
        mkdocs material pymdownx pygments yaml pyte
}

# Headers, no modules of Python's.
find_nccl_headers() {
    find_packages .nccl "$nccl" "headers of CUDA's for NCCL: 3 MB to download" nccl
    [ -e "$nccl_link/nvidia/cu13/include/crt/host_config.h" ] ||
        fail "the headers in $(readlink -f "$nccl_link") are not complete." "run: rm -r '$(readlink -f "$nccl_link")', then make nccl."
}

# Installing --------------------------------------------------------------------------------------------------------

# Installs $what into a folder, whole or not at all: pip works beside it, and a rename puts it into place.
install_packages() { # the folder, the gigabytes it needs, the list of requirements
    check_python
    check_pip
    [ "$cache" != /.cache/jemscript ] || fail "there is no home folder to install into (HOME is not set)." "run: export HOME=…"
    mkdir -p "$cache" 2> /dev/null && [ -w "$cache" ] || fail "the folder $cache cannot be written." "make it writable, or export XDG_CACHE_HOME=<another folder>."

    # One install at a time: a second set-up waits, then finds the work done.
    if command -v flock > /dev/null; then
        exec 9> "$cache/.lock"
        flock -n 9 || { say "Another set-up is installing; waiting for it."; flock 9; }
        [ ! -e "$1" ] || return 0
        # With the lock held, what lies there is left from an install that was interrupted.
        rm -rf "$cache"/*.partial-*
    fi
    free=$(df -Pk "$cache" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$2" ] || fail "$cache has $free GB free, and the install needs $2 GB for a while." \
        "free some space, or export XDG_CACHE_HOME=<a folder on a larger disk>."

    say "Installing $what."
    say "It goes into $1 and serves every checkout; this happens once."
    partial=$1.partial-$$
    trap 'tidy_up' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mkdir -p "$partial/tmp"
    show_progress "$partial" &
    watcher=$!
    # pip unpacks into TMPDIR first: on the same disk its last step is a rename. /tmp is often small.
    TMPDIR=$partial/tmp PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
        PIP_ROOT_USER_ACTION=ignore \
        python3 -m pip install --target "$partial/site" --no-warn-script-location --no-compile -r "$3" ||
        fail "pip could not install the packages; its own words are above." \
            "mend what they name (network, disk space, Python version), then run the same command again."
    mv -T "$partial/site" "$1" || [ -e "$1" ] # without flock, another set-up may have been first
    tidy_up
    trap - EXIT INT TERM HUP
    exec 9>&-
}

tidy_up() {
    kill "${watcher:-}" 2> /dev/null || true
    rm -rf "${partial:-}"
    rm -f "${list:-}"
}

# pip is silent while it unpacks, and where it writes to no terminal it is silent while it downloads too: every few
# seconds, say how far it is. Ends with the set-up that started it.
show_progress() {
    exec 9>&- # must not hold the lock
    seconds=0
    while sleep 5 > /dev/null 2>&1 && kill -0 $$ 2> /dev/null; do
        seconds=$((seconds + 5))
        if [ ! -t 1 ] || ls -d "$1"/tmp/pip-target-*/lib > /dev/null 2>&1; then
            say "  … $(du -sm "$1" 2> /dev/null | cut -f 1) MB on disk after $seconds s"
        fi
    done
}

case ${1:-} in
    "" | --tests | --site | --nccl) ;;
    *) fail "unknown option $1." "use no option, --tests, --site, or --nccl." ;;
esac
check_tools
find_libtorch
link_libtorch
case ${1:-} in
    --tests)
        find_python_packages
        find_notebook_packages
        ;;
    --site) find_site_packages ;;
    --nccl) find_nccl_headers ;;
esac
