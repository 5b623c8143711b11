# Removes FOLDER once standard input is closed, or names it when KEEP is not empty.
# Arguments: FOLDER KEEP SCRIPT   (SCRIPT is run before, with FOLDER as its argument)
#
# The owner and every guard hold the other end of standard input, so it closes
# when nothing writes into FOLDER any more, also when the owner was killed.
while read -r _; do :; done
[ -z "$3" ] || sh -c "$3" testbed-cleaner "$1"
if [ -n "$2" ]; then
    echo "testbed: kept $1" >&2
else
    rm -rf "$1"
fi
