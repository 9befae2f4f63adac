"""The command line, thin: parse, call, print.

`commands` defines every command and option without JAX; each command's module is imported when it runs and returns an
`Answer`; `main` turns that into standard output and an exit status: 0 all well; 1 refuted, inconclusive, a control not
as expected, or not certified; 2 wrong usage or bad input; 3 partial; 130 after Ctrl-C.
"""
