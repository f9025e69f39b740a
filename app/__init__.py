"""OTPless Billing: the application package.

Read it from the outside in:

* `factory`     the composition root: `create_app(settings)`
* `api`, `portal`, `auth`   the edges for services, customers and sign-in; `admin_views/` is the staff's
* `services`    the verbs: load and lock, decide in `domain`, write, record the audit, enqueue
* `gateways`    the outside world behind Protocols: card gateways, files, mail, PDF
* `models`      the tables: columns, constraints and relationships
* `domain`      the rules of money, pricing, tax, periods and state; pure functions over frozen dataclasses
* `db`, `queue`, `registry`, `errors`, `clock`, `permissions`, `config`   what every layer stands on
* `serving`     the web server: Granian, and the bridge from it to the WSGI application
* `embedded`    the PostgreSQL, the Redis and the supervisor behind `make run`
"""
