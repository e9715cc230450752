# shellcheck shell=bash disable=SC2154,SC2034 # run sets and reads them
# Engines lose races of their own when many programs share two cores (output of a
# container that ends at once, a clean-up that comes between). So a case that failed is
# run again, its engine alone on the machine. One that then passes every time is
# UNSTEADY: counted and shown with what it said, but no failure, unless there are many.

repeats=3
unsteady_limit=3

# failed_cases ENGINE FILE: the names of the cases among the failures in the file.
failed_cases() {
    sed -n "s|^FAIL $1/\([a-z_0-9]*\) (status .*|\1|p" "$2"
}

# Runs what failed again and puts what came of it into the results.
repeat_failed() {
    local engine name names time
    mv "$work/results" "$work/first"
    : >"$work/results"
    for engine in "${engines[@]}"; do
        mapfile -t names < <(failed_cases "$engine" "$work/first")
        ((${#names[@]})) || continue
        case_pattern="@($(IFS='|' && echo "${names[*]}"))"
        for ((time = 1; time <= repeats; time++)); do
            printf 'again, alone, %d of %d: %s %s\n' "$time" "$repeats" "$engine" "${names[*]}"
            run_engine "$engine"
        done
        for name in "${names[@]}"; do
            if (($(grep -c "^PASS $engine/$name (" "$work/results") == repeats)); then
                sed -i "s|^FAIL \($engine/$name\) (.*|UNSTEADY \1: failed, then passed $repeats times alone|" "$work/first"
            fi
        done
    done
    # What the repeated runs failed at besides (a leftover, a start) counts too.
    grep '^FAIL ' "$work/results" | grep -v ' (status ' >>"$work/first" || true
    mv "$work/first" "$work/results"
}
