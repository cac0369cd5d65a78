# shellcheck shell=bash
# Sourced by scripts/demo: renames the layers of the sample frame, prints the old and the new names, then what to try next.
sample=${root:?}/modules/figma/sample

# The request: the frame's layers, each with its picture.
request() {
  local id name type file
  jq -r '.layers[] | [.id, .name, .type, .file] | @tsv' "$sample/frame.json" |
    while IFS=$'\t' read -r id name type file; do
      base64 -w0 -- "$sample/$file" | jq -R --arg id "$id" --arg name "$name" --arg type "$type" \
        '{id: $id, currentName: $name, type: $type, imageBase64: .}'
    done | jq -s '{userEmail: "demo@example.com", layers: .}'
}

demo() {
  local answer
  answer=$(request | ask /api/rename-layers)
  say "$(jq -r '"\(.renamed) of \(.renamed + .kept) layers renamed in \(.durationMs) ms"' <<<"$answer"):"
  say
  jq -r --slurpfile frame "$sample/frame.json" '
    ($frame[0].layers | map({(.id): .}) | add) as $old
    | ["TYPE", "OLD NAME", "NEW NAME"], (.layers[] | [$old[.id].type, $old[.id].name, .newName]) | @tsv' <<<"$answer" |
    awk -F '\t' '{type[NR] = $1; old[NR] = $2; new[NR] = $3}
      length($1) > wide1 {wide1 = length($1)}
      length($2) > wide2 {wide2 = length($2)}
      END {for (i = 1; i <= NR; i++) printf "  %-*s  %-*s  %s\n", wide1, type[i], wide2, old[i], new[i]}'
}

plugin_lines() {
  local manifest=build/plugin/figma/manifest.json
  if [[ ! -e $root/$manifest ]]; then
    say '  in Figma: make plugin'
    return
  fi
  say '  in Figma (desktop): Plugins > Development > Import plugin from manifest, and choose'
  say "    $root/$manifest"
}

next_steps() {
  cat <<END
  one layer of your own
    jq -n --arg png "\$(base64 -w0 modules/figma/sample/button-primary.png)" '{userEmail: "you@example.com",
      layers: [{id: "1", currentName: "Frame 1", type: "FRAME", imageBase64: \$png}]}' |
      curl -s -H 'Content-Type: application/json' --data-binary @- http://localhost:$HTTP_PORT/api/rename-layers
$(plugin_lines)
END
}
