# shellcheck shell=bash
# runc's own suite of the version in Debian 12, which its engines were made for.

release=bookworm
# shellcheck source=../runc/suite.sh
source "$here/runc/suite.sh"
