# shellcheck shell=bash
#
# What check, demo, bench and soak share: a private copy of the tree, built by an unprivileged user,
# and scratch clusters with keyring preloaded that end with the script that started them, whatever
# ends it: on exit by a trap; if the script itself is killed, the kernel interrupts the server.
#
#   . scripts/lib.sh
#   kr_prepare demo                     # packages for that, copy, build, install into the copy
#   kr_cluster_start main 'work_mem = 64MB'   # sets PGHOST, PGPORT, PGUSER, PGDATA for psql
#   kr_cluster_stop main                # optional
#
# As root everything runs as kr_user; kr_as_user runs one command so. Servers listen on unix sockets
# only. Only processes that were started here are ended, by their id.

set -euo pipefail
shopt -s inherit_errexit

kr_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
kr_work=                                # the private copy; keyring is installed under kr_destdir
kr_destdir=
kr_sockets=                             # short, since socket paths are limited to 107 bytes
kr_user=$(id -un)
kr_pg_config=${PG_CONFIG:-pg_config}
kr_bindir=
declare -A kr_pids=()                   # cluster name -> postmaster, our child
declare -a kr_make_flags=()             # more variables for every make in the copy
declare -a kr_make_command=()
declare -a kr_at_exit=()                # commands; they may change kr_status
kr_status=0

# The environment must not lead a test to somebody's server.
while read -r kr_variable; do
	[ "$kr_variable" = PG_CONFIG ] || unset "$kr_variable"
done < <(compgen -e PG || true)
unset kr_variable MAKEFLAGS MFLAGS MAKELEVEL
export LANG=C.UTF-8 LC_ALL=C.UTF-8
umask 022

kr_say() {
	printf '%s\n' "$*"
}

kr_die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

kr_is_root() {
	[ "$(id -u)" = 0 ]
}

# Runs a command in the private copy as the unprivileged user, in the foreground.
kr_as_user() {
	(
		cd "${kr_work:-/}"
		exec 9>&-
		if kr_is_root; then
			exec setpriv --reuid="$kr_user" --regid="$(id -g "$kr_user")" --init-groups -- \
				env HOME="${kr_work:-/}" USER="$kr_user" LOGNAME="$kr_user" "$@"
		fi
		exec "$@"
	)
}

kr_choose_user() {
	kr_is_root || return 0
	kr_user=postgres
	id -u postgres >/dev/null 2>&1 && return
	kr_user=keyring-test
	id -u "$kr_user" >/dev/null 2>&1 || useradd --system --home-dir / --shell /usr/sbin/nologin "$kr_user"
}

# In the tree when the user can reach it (a second run then compiles only what changed), else under /tmp.
kr_choose_work() {
	mkdir -p "$kr_top/build" 2>/dev/null || true
	[ -w "$kr_top/build" ] || kr_die "cannot write to $kr_top/build: another user ran here before; remove it as that user"
	exec 9>"$kr_top/build/lock"
	if ! flock -n 9; then
		kr_say "waiting for another run in this tree to end"
		flock 9
	fi
	if kr_as_user test -x "$kr_top/build"; then
		kr_work=$kr_top/build/work
		[ ! -e "$kr_work" ] || [ "$(stat -c %U "$kr_work")" = "$kr_user" ] || rm -rf "$kr_work"
		mkdir -p "$kr_work"
	else
		kr_work=$(mktemp -d /tmp/keyring.XXXXXX)
		kr_at_exit+=("rm -rf '$kr_work'")
	fi
	kr_sockets=$(mktemp -d /tmp/kr.XXXXXX)
	kr_at_exit+=("rm -rf '$kr_sockets'")
	if kr_is_root; then
		chown "$kr_user:" "$kr_work" "$kr_sockets"
	fi
}

# The files of the tree, as they are now: tracked and new ones, but nothing that was built.
kr_list_files() {
	cd "$kr_top"
	if git -c safe.directory="$kr_top" rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory="$kr_top" ls-files -co --exclude-standard -z
	else
		find . \( -path ./build -o -path ./.git \) -prune -o \( -type f -o -type l \) \
			! -name '*.o' ! -name '*.d' ! -name '*.bc' ! -name '*.so' -print0
	fi | perl -0 -ne 'chomp; print "$_\0" if -e || -l' | sort -z
}

# Times are kept, so make in the copy sees what changed; what vanished here vanishes there.
kr_copy_tree() {
	local list=$kr_sockets/files
	kr_list_files > "$list"
	if [ -e "$kr_work/.files" ]; then
		comm -z -13 "$list" "$kr_work/.files" | (cd "$kr_work" && xargs -0 -r rm -f --)
	fi
	tar -C "$kr_top" --null --no-recursion -T "$list" -cf - | kr_as_user tar -xf - --no-same-owner
	kr_as_user tee "$kr_work/.files" < "$list" > /dev/null
}

# make in the private copy.
kr_make() {
	kr_as_user "${kr_make_command[@]}" "$@"
}

# Builds and installs into the copy; into the server's own folders where it knows no other place.
kr_build() {
	local log=$kr_top/build/build.log 
	local -a installer=(kr_make)
	kr_destdir=$kr_work/build/root
	kr_as_user rm -rf "$kr_destdir"
	kr_make -s -j"$(nproc)" all > "$log" 2>&1 || kr_build_failed "$log"
	if ! "$kr_top/scripts/server-conf" "$kr_pg_config" "$kr_destdir" --staged; then
		kr_destdir=
		kr_say "installing into $("$kr_pg_config" --pkglibdir)"
		kr_as_user test -w "$("$kr_pg_config" --pkglibdir)" || installer=("${kr_make_command[@]}" -C "$kr_work")
	fi
	"${installer[@]}" -s install DESTDIR="$kr_destdir" >> "$log" 2>&1 || kr_build_failed "$log"
}

kr_build_failed() {
	tail -n 40 "$1" >&2
	kr_die "the build failed"
}

# kr_prepare PURPOSE...: as scripts/setup knows them.
kr_prepare() {
	trap kr_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	"$kr_top/scripts/setup" "$@"
	kr_pg_config=$(command -v "$kr_pg_config") || kr_die "no such program: $kr_pg_config"
	kr_bindir=$("$kr_pg_config" --bindir)
	kr_make_command=(make --no-print-directory PG_CONFIG="$kr_pg_config" with_llvm=no "${kr_make_flags[@]}")
	kr_choose_user
	kr_choose_work
	kr_as_user test -x "$kr_bindir/postgres" || kr_die "$kr_user cannot run $kr_bindir/postgres"
	kr_copy_tree
	kr_build
}

# kr_cluster_start NAME [line of postgresql.conf]...
kr_cluster_start() {
	local name=$1 data=$kr_work/build/cluster/$1/data log=$kr_work/build/cluster/$1/log
	shift
	PGPORT=$((5432 + ${#kr_pids[@]}))
	PGHOST=$kr_sockets PGUSER=postgres PGDATABASE=postgres PGDATA=$data
	kr_as_user rm -rf "${data%/data}"
	kr_as_user mkdir -p "${data%/data}"
	# shellcheck disable=SC2016 # the inner shell, as the user, opens the log
	kr_as_user sh -c 'log=$1; shift; exec "$@" > "$log" 2>&1' sh "$log" \
		"$kr_bindir/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale || kr_cluster_failed "$name" "$log"
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$kr_sockets'" "port = $PGPORT" \
		"shared_preload_libraries = 'keyring'" @extension_paths@ "$@" |
		"$kr_top/scripts/server-conf" "$kr_pg_config" "$kr_destdir" |
		kr_as_user tee -a "$data/postgresql.conf" > /dev/null
	export PGHOST PGPORT PGUSER PGDATABASE PGDATA
	kr_postmaster "$name" "$data" "$log"
}

# The postmaster is our child and dies with us. setpriv sets that after it has changed the user.
kr_postmaster() {
	local name=$1 data=$2 log=$3
	local -a identity=()
	if kr_is_root; then
		identity=(--reuid="$kr_user" --regid="$(id -g "$kr_user")" --init-groups)
	fi
	(
		cd "$kr_work"
		# shellcheck disable=SC2016 # as above
		exec 9>&- setpriv "${identity[@]}" --pdeathsig INT -- \
			sh -c 'exec "$1" -D "$2" >> "$3" 2>&1 < /dev/null' sh "$kr_bindir/postgres" "$data" "$log"
	) &
	kr_pids[$name]=$!
	local i
	for ((i = 0; i < 600; i++)); do
		grep -qs '^ready' "$data/postmaster.pid" && return
		kill -0 "${kr_pids[$name]}" 2>/dev/null || break
		sleep 0.1
	done
	kr_cluster_failed "$name" "$log"
}

kr_cluster_failed() {
	tail -n 20 "$2" >&2
	kr_die "the scratch cluster $1 does not start"
}

# kr_cluster_stop NAME [SIGNAL]: INT = fast, QUIT = immediate, KILL = as a crash.
kr_cluster_stop() {
	local name=$1 pid=${kr_pids[$1]:-}
	[ -n "$pid" ] || return 0
	kill -"${2:-INT}" "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	unset "kr_pids[$name]"
}

# Servers that a killed test left in our own copy: known by their data directory, which is theirs alone.
kr_end_strays() {
	local file pid
	[ -n "$kr_work" ] && [ -d "$kr_work" ] || return 0
	while read -r file; do
		pid=$(head -n 1 "$file" 2>/dev/null) || continue
		if [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(dirname "$(readlink -f "$file")")" ]; then
			kill -QUIT "$pid" 2>/dev/null || true
		fi
	done < <(find "$kr_work" -name postmaster.pid 2>/dev/null)
}

kr_cleanup() {
	kr_status=$?
	local name command
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	for name in "${!kr_pids[@]}"; do
		kr_cluster_stop "$name"
	done
	kr_end_strays
	for command in "${kr_at_exit[@]}"; do
		eval "$command"
	done
	exit "$kr_status"
}
