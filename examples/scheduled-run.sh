#!/bin/sh
# Starts the change that the configuration file describes, or goes on with it where an earlier run was interrupted; a change that is
# done is left alone. For cron, systemd and Kubernetes: see the files beside this one. The exit code is that of tableshift, and 1 where the
# server cannot be reached now.
#
# It resumes the only unfinished migration of the server; where others run migrations there too, give resume an ID. A change is done
# where the newest migration of its table is done and has the same clauses but for comments, so the script can stay in place
# afterwards. A table without a schema is looked for in the database of the URL, on PostgreSQL in public.
set -u
config=${1:?usage: scheduled-run.sh CONFIG}

known=$(tableshift list --config "$config" --output json) || {
  code=$?
  printf '%s\n' "$known"
  case $known in *'"code":"UNREACHABLE"'*) exit 1 ;; esac
  exit "$code"
}
if printf '%s\n' "$known" | grep -q '"state":"open"'; then
  exec tableshift resume --config "$config" --output json
fi

is_done() {
  KNOWN=$known ASKED=$1 node -e '
    const { migrations } = JSON.parse(process.env.KNOWN);
    const { settings } = JSON.parse(process.env.ASKED);
    const comments = /(\x27(?:[^\x27\\]|\\[^])*\x27)|\/\*(?!M?!)[^]*?\*\/|--\s[^\n]*/g;
    const plain = (text) => text.replace(comments, "$1 ").replace(/[`";]/g, "").replace(/\s+/g, " ").trim().toLowerCase();
    const [url, table, alter] = ["url", "table", "alter"].map((name) => settings.find((one) => one.name === name)?.value ?? "");
    const head = /\balter table (?:if exists |only )*(\S+) /g;
    const names = table === "" ? [...plain(alter).matchAll(head)].map(([, name]) => name) : plain(table).split(", ");
    const schema = url.startsWith("postgres") ? "public" : plain(new URL(url).pathname.slice(1));
    const wanted = names.map((name) => (name.includes(".") ? name : `${schema}.${name}`));
    const newest = wanted.flatMap((name) =>
      migrations.find(({ plan: { source } }) => plain(`${source.schema}.${source.table}`) === name) ?? []);
    const isDone = wanted.length > 0 && newest.length === wanted.length && newest.every(({ state }) => state === "done");
    const clauses = newest.map(({ plan }) => plain(plan.clauses)).join(", ");
    if (!isDone || clauses !== plain(alter).replace(head, "")) process.exit(1);
    console.log(JSON.stringify({ kind: "done-before", ids: newest.map(({ id }) => id) }));
  '
}
if asked=$(tableshift config check --config "$config" --output json) && is_done "$asked"; then
  exit 0
fi
exec tableshift migrate --config "$config" --output json
