# shellcheck shell=bash
#
# What the demonstrations share: showing what is typed and what comes of it, and checking that.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

chapter() {
	printf '\n\033[1m== %s\033[0m\n' "$*"
}

note() {
	printf '   %s\n' "$@"
}

# Shows SQL as it would be typed, and what the server answers.
sql() {
	printf '%s\n' "$1" | sed 's/^/   demo=# /'
	kr_as_user "$kr_bindir/psql" -X -q -d demo -v ON_ERROR_STOP=1 -P pager=off -P border=1 -P null='' -c "$1" 2>&1 |
		sed 's/^/   /' | sed '/^ *$/d; /^ *([0-9]* rows\{0,1\})$/d'
}

quiet() {
	kr_as_user "$kr_bindir/psql" -X -q -A -t -d demo -v ON_ERROR_STOP=1 -c "$1"
}

expect() {
	[ "$2" = "$3" ] || kr_die "$1: expected \"$3\", got \"$2\""
}

# Shows SQL that must fail with this SQLSTATE, and what the server says.
refused() {
	local said
	printf '%s\n' "$2" | sed 's/^/   demo=# /'
	if said=$(kr_as_user "$kr_bindir/psql" -X -q -d demo -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -c "$2" 2>&1); then
		kr_die "not refused: $2"
	fi
	printf '%s\n' "$said" | grep -v '^LOCATION' | sed 's/^/   /'
	case $said in
		"ERROR:  $1:"*) ;;
		*) kr_die "expected $1" ;;
	esac
}

# Waits for what happens by itself: until a query, or one that fails, answers with this value or SQLSTATE.
until_says() {
	local said=
	for ((i = 0; i < 300; i++)); do
		said=$(kr_as_user "$kr_bindir/psql" -X -q -A -t -d demo -v VERBOSITY=sqlstate -c "$2" 2>&1) || true
		said=${said#ERROR:  }
		[ "$said" != "$1" ] || return 0
		sleep 0.2
	done
	kr_die "$2: expected \"$1\", got \"$said\""
}
