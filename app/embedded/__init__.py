"""What `make run` starts: PostgreSQL and Valkey where none are given, and the processes of the product.

* `processes`   one child process: in a session of its own, logged to a file, ended with what it started
* `accounts`    the unprivileged account that the data stores run as when root started them
* `postgres`, `redis`   where the binaries come from, the data directory, the settings
* `stores`      both of them together, as `make run` and the tests start them
* `house`       the data directory: its lock, its secret, `services.json`
* `logtail`     errors of the children shown as they come
* `options`     the command line
* `children`    the table of the product's own processes
* `supervisor`  starts everything in order, restarts what dies, stops everything

Nothing here imports the rest of `app`, and only the command line imports this.
"""
