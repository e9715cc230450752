# Reads a file of tests and what bats wrote as TAP; prints a line
# "TEST<tab>pass|fail|skip<tab>NOTE" for every test.
BEGIN { OFS = "\t" }

FNR == NR {
    if ($0 ~ /^@test /) {
        name = $0
        sub(/^@test +["']/, "", name)
        sub(/["'] *\{ *$/, "", name)
        gsub(/\\"/, "\"", name)
        names[++count] = name
    }
    next
}

/^(not )?ok [0-9]+/ {
    current = $0
    bad = sub(/^not /, "", current)
    sub(/^ok [0-9]+ */, "", current)
    skipped = ""
    if (match(current, / # skip.*$/)) {
        skipped = substr(current, RSTART + 7)
        current = substr(current, 1, RSTART - 1)
        sub(/^ *\(?/, "", skipped); sub(/\)$/, "", skipped)
        if (skipped == "") skipped = "skipped"
    }
    sub(/ # timeout after.*$/, "", current)
    outcome[current] = bad ? "fail" : (skipped != "" ? "skip" : "pass")
    note[current] = bad ? "" : skipped
    next
}

# The first thing that bats says of a failure that is not about where it was.
/^# / && outcome[current] == "fail" && note[current] == "" && /failed|status|timeout|error/ {
    note[current] = substr($0, 3)
}

{ last = $0 }

END {
    for (i = 1; i <= count; i++) {
        name = names[i]
        if (name in outcome) print name, outcome[name], note[name]
        else print name, "fail", "not reached: " last
    }
}
