#!/bin/sh
# Keeps a virtual environment: install.sh FOLDER WHAT [PYTHON], where WHAT is "." or ".[EXTRA]". Run in the project's root.
#
# Milliseconds when there is nothing to do. Without PYTHON an environment that is there is kept, and a new one is made with
# the first Python of PATH that can be used. One of another version is made again; what was broken off is gone on with, for
# FOLDER/.installed, which says what was installed, is written last.
set -eu
folder=$1 what=$2 asked=${3:-}

versions="3.11 3.12 3.13" # as pyproject.toml allows, which says why

say() { echo "voicetrio: $*"; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none; }

is_good() { case " $versions " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

choose() { # prints the Python to use
    for candidate in ${asked:-"$folder/bin/python" python3 python3.13 python3.12 python3.11}; do
        if is_good "$(version_of "$candidate")"; then
            echo "$candidate"
            return
        fi
    done
    first=${asked:-python3}
    case $(version_of "$first") in
        none) found="'$first' cannot be started" ;;
        *) found="'$first' is Python $(version_of "$first")" ;;
    esac
    say "$found, and Python 3.11, 3.12 or 3.13 is needed. Install one, and name it: make run PYTHON=python3.12" >&2
    return 1
}

make_anew() {
    say "making a virtual environment of Python $version in $folder"
    case $python in "$folder"/*) python=$("$python" -c 'import sys; print(sys._base_executable)') ;; esac
    rm -rf "$folder"
    if ! "$python" -m venv "$folder"; then
        rm -rf "$folder"
        say "'$python' cannot make virtual environments (on Debian and Ubuntu: apt install python$version-venv)" >&2
        exit 1
    fi
}

# A line for each package: pip's own output is hundreds, and in silence nobody knows whether it goes on.
install() { # returns whether pip has succeeded
    rm -f "$folder/.succeeded"
    {
        "$folder/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
            --constraint constraints.txt --editable "$what" 2>&1 && echo yes >"$folder/.succeeded"
    } | {
        count=0
        while IFS= read -r line; do
            printf '%s\n' "$line" >&3
            case $line in
                "Collecting "*)
                    count=$((count + 1)) line=${line#Collecting }
                    printf '  %3d  %s\n' "$count" "${line%% *}"
                    ;;
                "Installing collected"*) echo "       installing them" ;;
                ERROR* | "WARNING: Retrying"*) printf '       %s\n' "$line" ;;
            esac
        done
    } 3>"$folder/pip.log"
    [ -e "$folder/.succeeded" ] # a pipe's exit code is that of its last command
}

python=$(choose)
version=$(version_of "$python")
wanted="$version $what in $(pwd), $(cat pyproject.toml constraints.txt | cksum)"
if [ "$(version_of "$folder/bin/python")" = "$version" ] && [ "$(cat "$folder/.installed" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

if [ ! -e "$folder/.installed" ] || [ "$(version_of "$folder/bin/python")" != "$version" ] ||
    ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    make_anew
fi
rm -f "$folder/.installed"
say "installing $what into $folder; the first time takes a minute or two"
if ! install; then
    echo incomplete >"$folder/.installed"
    say "pip has failed; $folder/pip.log has all that it said. The same command goes on, and make clean begins anew" >&2
    exit 1
fi
echo "$wanted" >"$folder/.installed"
