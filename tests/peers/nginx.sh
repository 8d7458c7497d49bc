#!/bin/sh
# Puts the program `nginx` into a folder: that of this machine, or else from the archive of Debian or Ubuntu. Needs no root:
# lists of packages and packages stay in the folder, and nothing is installed.
set -eu
folder="$1"
cd "$folder"
rm -f program
if found="$(command -v nginx || ls /usr/sbin/nginx 2>/dev/null)"; then
  ln -s "$found" program
  exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "there is no nginx here, and no apt-get to fetch it with" >&2; exit 1; }
mkdir -p state/lists/partial cache/archives/partial files
apt="apt-get -qq -o Dir::State=$folder/state -o Dir::Cache=$folder/cache -o Acquire::http::Timeout=15 -o Acquire::Retries=1"
# The lists of this machine, if it has any, are as old as its image: packages that they name may be gone.
timeout 60 $apt update
timeout 60 $apt download nginx
for package in nginx_*.deb; do dpkg -x "$package" files; done
rm -rf state cache ./*.deb
ln -s files/usr/sbin/nginx program
# A library of it that is missing here is said now, and not by a test.
./program -v 2>/dev/null || { echo "the nginx of the archive does not run here" >&2; exit 1; }
