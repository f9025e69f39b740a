"""What `make run` starts when no `DATABASE_URL` or `REDIS_URL` is set: PostgreSQL, Valkey and the processes of the product.

* `processes`   one child process: started in a session of its own, logged to a file, ended with everything it started
* `accounts`    the unprivileged account that the data stores run as when root started them
* `postgres`, `redis`   where the binaries come from, the data directory, the settings
* `stores`      both of them together, as `make run` and the tests start them
* `house`       the data directory: its lock, its secret, `services.json`
* `children`    the table of the product's own processes
* `supervisor`  starts everything in order, restarts what dies, stops everything
* `discover`    finds the running services from outside

Nothing here imports the rest of `app`, and only the command line imports this.
"""
