"""The report as one page: to listen to every point of the chain and to look at what each step did.

`vendor` holds the libraries that the page plays and plots with, as their registry publishes them;
`vendored.json` says which, from where and under which licence.
"""
