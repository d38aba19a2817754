#!/usr/bin/env bash
# Checks docs/cloud, in seconds and without a network: links, dates of what was looked up, manifests, Terraform modules and their tests, the table of costs,
# what a machine runs at its first start, Python and SQL.
#
#     PART=offline         only what needs no provider of Terraform
#     PART=provider        only the module with the provider aws, which is had from its registry; without it the only line is "SKIPPED: reason"
#     CRDS=/path           also compares the manifests with the CustomResourceDefinitions in that directory
#
# Each check runs, whatever the others found; the exit status tells. What a tool is missing for is told by a line "SKIPPED: reason".

# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PART=${PART:-all}
CRDS=${CRDS:-}
CLOUD=docs/cloud
# How long the provider may take to come.
PROVIDER_SECONDS=120

FAILURES=()

main() {
    [[ $PART =~ ^(all|offline|provider)$ ]] || fail "PART is all, offline or provider, not $PART"
    cd "$ROOT"
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    # A configuration of Terraform that is named and not there is no error of ours.
    [ -f "${TF_CLI_CONFIG_FILE:-/dev/null}" ] || unset TF_CLI_CONFIG_FILE
    export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
    if [ "$PART" != provider ]; then
        check 'links' links
        check 'services have their page and date' sources
        manifests
        python_files
        terraform_plan
    fi
    if [ "$PART" != offline ]; then
        terraform_aws
    fi
    report
}

# Runs one check with its name shown first: check NAME COMMAND...
check() {
    local name=$1
    shift
    say "cloud: $name"
    "$@" || FAILURES+=("$name")
}

skip() { echo "SKIPPED: $*"; }

# Every relative link of a page leads to a file, and every anchor to a heading.
links() {
    local page target anchor file faults=0
    while IFS= read -r page; do
        while IFS= read -r target; do
            file=${target%%#*} anchor=
            [[ $target != *'#'* ]] || anchor=${target#*#}
            if [ -n "$file" ]; then
                file=$(dirname "$page")/$file
            else
                file=$page
            fi
            if [ ! -e "$file" ]; then
                echo "$page: there is no $target" >&2
                faults=1
            elif [ -n "$anchor" ] && ! headings "$file" | grep -qxF -- "$anchor"; then
                echo "$page: $file has no heading #$anchor" >&2
                faults=1
            fi
        done < <(grep -oE '\]\([^) ]+\)' "$page" | sed -E 's/^\]\((.*)\)$/\1/' | grep -vE '^[a-z]+://' || true)
    done < <(find "$CLOUD" -name '*.md')
    return "$faults"
}

# The anchors of a page's headings, as GitHub makes them.
headings() { sed -nE 's/^#+ +(.*)$/\1/p' "$1" | tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'; }

# A row of the table of services names a page; a page that says what a service does says when that was looked up.
sources() {
    local faults=0 page
    if awk '/^\| service \|/ { table = 1; next } !/^\|/ { table = 0 } table && !/^\|---/ && !/https:\/\// && !/not found/ && !/you are root/' "$CLOUD/README.md" | grep .; then
        echo "$CLOUD/README.md: the rows above have no page" >&2
        faults=1
    fi
    while IFS= read -r page; do
        if ! grep -qiE 'looked up (on )?20[0-9]{2}-[0-9]{2}-[0-9]{2}' "$page"; then
            echo "$page: links to pages of services, and does not say when they were looked up" >&2
            faults=1
        fi
    done < <(grep -rlE '\]\(https://' "$CLOUD" --include='*.md')
    return "$faults"
}

manifests() {
    if ! python3 -c 'import yaml' 2>/dev/null; then
        skip 'manifests: no python3 with yaml here (apt-get install python3-yaml)'
        return
    fi
    local options=()
    [ -z "$CRDS" ] || options=(--crds "$CRDS")
    check 'manifests' python3 "$CLOUD/cloudnativepg/check.py" "${options[@]}"
}

python_files() {
    if ! have python3; then
        skip 'Python: no python3 here'
        return
    fi
    local file
    while IFS= read -r file; do
        check "$file" python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$file"
    done < <(find "$CLOUD" -name '*.py' | sort)
}

# Works on a copy: Terraform keeps its state beside the module.
terraform_plan() {
    if ! have terraform; then
        skip 'Terraform: no terraform here'
        return
    fi
    check 'Terraform: format' terraform fmt -check -recursive "$CLOUD/terraform"
    cp -r "$CLOUD/terraform/plan" "$WORK/plan"
    check 'Terraform: plan, initialized' quiet terraform -chdir="$WORK/plan" init -backend=false -input=false -no-color
    check 'Terraform: plan, validated' quiet terraform -chdir="$WORK/plan" validate -no-color
    check 'Terraform: plan, tests' terraform -chdir="$WORK/plan" test -no-color
    check 'table of costs' costs
    check 'first start of a machine' first_start
}

# A command whose output is of interest where it fails only.
quiet() {
    "$@" >"$WORK/log" 2>&1 || {
        cat "$WORK/log" >&2
        return 1
    }
}

# The rows in the README are those that the module gives for the examples.
costs() {
    local file row faults=0 examples=0
    for file in "$WORK"/plan/examples/*.tfvars; do
        quiet terraform -chdir="$WORK/plan" apply -auto-approve -input=false -no-color -var-file="$file" || return
        row=$(terraform -chdir="$WORK/plan" output -raw -no-color row)
        grep -qxF -- "$row" "$CLOUD/README.md" || {
            printf '%s\n' "$CLOUD/README.md lacks the row of ${file##*/}:" "$row" >&2
            faults=1
        }
        examples=$((examples + 1))
    done
    [ "$examples" -gt 0 ] || return
    return "$faults"
}

first_start() {
    quiet terraform -chdir="$WORK/plan" apply -auto-approve -input=false -no-color -var trips=100000000 -var memory_gib=16 -var bucket=trips-backup \
        -var volume_id=vol-0123456789abcdef0 -var deb_url=https://example.com/trips-ext_0.1.0_amd64.deb -var deb_sha256="$(printf '' | sha256sum | cut -d' ' -f1)" \
        -var 'client_cidrs=["10.1.0.0/16"]' || return
    terraform -chdir="$WORK/plan" output -raw -no-color user_data >"$WORK/user-data.sh"
    bash -n "$WORK/user-data.sh" || return
    if have shellcheck; then
        shellcheck "$WORK/user-data.sh"
    else
        say 'cloud: no shellcheck here: its syntax alone was looked at'
    fi
}

# The provider is a program of its own, which a machine without its registry does not get.
terraform_aws() {
    if ! have terraform; then
        skip 'Terraform, the module with the provider: no terraform here'
        return
    fi
    cp -r "$CLOUD/terraform" "$WORK/aws"
    say "cloud: Terraform: the provider"
    if ! timeout "$PROVIDER_SECONDS" terraform -chdir="$WORK/aws" init -backend=false -input=false -no-color >"$WORK/log" 2>&1; then
        if grep -qE 'Failed to query available provider packages|Failed to install provider|could not connect' "$WORK/log"; then
            skip 'Terraform, the module with the provider: the provider cannot be had here (registry.terraform.io, or a mirror in TF_CLI_CONFIG_FILE)'
            return
        fi
        cat "$WORK/log" >&2
        FAILURES+=('Terraform: machine, initialized')
        return
    fi
    check 'Terraform: machine, validated' quiet terraform -chdir="$WORK/aws" validate -no-color
    check 'Terraform: machine, tests' terraform -chdir="$WORK/aws" test -no-color
}

report() {
    [ "${#FAILURES[@]}" -eq 0 ] || fail "cloud: $(printf '%s; ' "${FAILURES[@]}")"
    say 'cloud: nothing found'
}

main
