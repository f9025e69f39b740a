"""The whole of who may do what, for people to read and for `test_matrix` to hold the product against.

An address, a screen or a method that stands nowhere here makes the test fail: whoever adds one decides who
may use it. Staff are S support, F finance admin, A super admin; those that are not named are refused (403).
Everybody else who is not named is refused too, and a stranger is asked to sign in (401, or the sign-in page).
"""

# Screens of the back office: who reads (list, record, look-ups, CSV, documents), and who writes (forms,
# inline editing, operations, bulk actions). Where a screen has no form there is none for anybody (404).
SCREENS = """
screen                       reads  writes
account-credits              SFA    FA
accounts                     SFA    FA
api-key-secrets              A      A
api-keys                     A      A
approval-limits              SFA    A
approvals                    SFA    FA
audit                        SFA    A
audit-anchors                A      A
audit-seals                  A      A
audit-unsealed               A      A
auto-top-ups                 SFA    FA
billing-run-items            SFA    FA
billing-runs                 SFA    FA
brand-logos                  SFA    FA
branding                     SFA    FA
charge-positions             SFA    A
commitments                  SFA    FA
coupon-redemptions           SFA    FA
coupons                      SFA    FA
customer-notes               SFA    FA
customers                    SFA    FA
dead-letters                 SFA    FA
discounts                    SFA    FA
document-mails               SFA    FA
dunning-notices              SFA    FA
dunning-pauses               SFA    FA
e-invoices                   SFA    FA
ended-sessions               A      A
event-archives               SFA    A
event-corrections            SFA    A
event-keys                   A      A
exchange-rates               SFA    FA
exports                      SFA    FA
grant-uses                   SFA    FA
grants                       SFA    FA
idempotency-records          A      A
invoice-lines                SFA    FA
invoice-series               SFA    FA
invoices                     SFA    FA
job-runs                     SFA    A
journals                     SFA    FA
ledger-anchors               A      A
letters-of-undertaking       SFA    FA
metrics                      SFA    FA
notification-preferences     A      A
notification-reads           A      A
notifications                SFA    FA
outbox-messages              SFA    A
payment-methods              SFA    FA
payments                     SFA    FA
plan-move-items              SFA    FA
plan-moves                   SFA    FA
plan-versions                SFA    FA
plans                        SFA    FA
postings                     SFA    FA
price-components             SFA    FA
refunds                      SFA    FA
saved-filters                A      A
seller-registrations         SFA    FA
simulated-accounts           SFA    FA
simulations                  SFA    FA
stored-files                 A      A
subscriptions                SFA    FA
tax-collectors               SFA    FA
tax-rates                    SFA    FA
tds-receivables              SFA    FA
terms-overrides              SFA    FA
usage-deltas                 A      A
usage-events                 SFA    A
used-nonces                  A      A
users                        A      A
verify                       SFA    A
voucher-adjustments          SFA    FA
vouchers                     SFA    FA
wallet-holds                 SFA    FA
wallet-spending              A      A
wallet-transactions          SFA    FA
wallet-transfers             SFA    FA
wallets                      SFA    FA
webhook-messages             SFA    FA
"""

# What every screen answers, and which of the two it asks.
ROUTES = """
method  below the screen        asks
GET     .                       reads
GET     details/                reads
GET     ajax/lookup/            reads
GET     export/<export_type>/   reads
GET     download/<document>/    reads
GET     new/                    writes
POST    new/                    writes
GET     edit/                   writes
POST    edit/                   writes
POST    delete/                 writes
POST    ajax/update/            writes
POST    action/                 writes
GET     operation/<operation>/  writes
POST    operation/<operation>/  writes
"""

# The other pages of the back office.
PAGES = """
method  address                                  who
GET     /admin/                                  SFA
GET     /admin/billing/                          SFA
GET     /admin/brand/                            SFA
POST    /admin/brand/save/                       FA
GET     /admin/data-care/                        SFA
POST    /admin/data-care/archive/                A
POST    /admin/data-care/restore/                A
GET     /admin/filters/                          SFA
POST    /admin/filters/<filter_id>/delete/       SFA
POST    /admin/filters/<filter_id>/rename/       SFA
GET     /admin/filters/menu/                     SFA
POST    /admin/filters/save/                     SFA
GET     /admin/gst-returns/                      FA
GET     /admin/gst-returns/csv/                  FA
GET     /admin/gst-returns/json/                 FA
GET     /admin/import/                           FA
POST    /admin/import/                           FA
GET     /admin/import/progress/                  FA
GET     /admin/import/review/                    FA
POST    /admin/import/review/                    FA
GET     /admin/import/run/                       FA
GET     /admin/inbox/                            SFA
POST    /admin/inbox/read                        SFA
GET     /admin/invoices/generate/                FA
POST    /admin/invoices/generate/                FA
POST    /admin/invoices/generate/preview/        FA
GET     /admin/invoices/line/                    SFA
GET     /admin/invoices/mail/                    SFA
GET     /admin/invoices/rerate/                  SFA
GET     /admin/plan-versions/compare/            SFA
GET     /admin/plan-versions/editor/             FA
POST    /admin/plan-versions/editor/quote/       FA
POST    /admin/plan-versions/editor/save/        FA
GET     /admin/plan-versions/publish/            FA
GET     /admin/preferences/                      SFA
POST    /admin/preferences/save                  SFA
GET     /admin/search/                           SFA
GET     /admin/search/hits/                      SFA
GET     /admin/settings/                         SFA
GET     /admin/trial-balance/                    SFA
GET     /admin/vouchers/mail/                    SFA
"""

# The job queues.
QUEUES = """
method  address                                                                                    who
GET     /rq/                                                                                       SFA
GET     /rq/<instance_number>/                                                                     SFA
GET     /rq/<instance_number>/data/job/<job_id>.json                                               SFA
GET     /rq/<instance_number>/data/jobs/<queue_name>/<registry_name>/<per_page>/<order>/<page>.json SFA
GET     /rq/<instance_number>/data/queues.json                                                     SFA
GET     /rq/<instance_number>/data/workers.json                                                    SFA
GET     /rq/<instance_number>/view                                                                 SFA
GET     /rq/<instance_number>/view/job/<job_id>                                                    SFA
GET     /rq/<instance_number>/view/jobs                                                            SFA
GET     /rq/<instance_number>/view/jobs/<queue_name>/<registry_name>/<per_page>/<order>/<page>     SFA
GET     /rq/<instance_number>/view/queues                                                          SFA
GET     /rq/<instance_number>/view/workers                                                         SFA
GET     /rq/favicon.ico                                                                            SFA
POST    /rq/job/<job_id>/delete                                                                    A
POST    /rq/job/<job_id>/requeue                                                                   A
POST    /rq/queue/<queue_name>/<registry_name>/empty                                               A
POST    /rq/queue/<queue_name>/compact                                                             A
GET     /rq/requeue/<queue_name>                                                                   SFA
POST    /rq/requeue/<queue_name>                                                                   A
"""

# The portal: customers only. `own` is found, somebody else's is not (404), nor is what is not there.
PORTAL = """
method  address                                            staff  where they find it
GET     /portal/                                           SFA    /admin/
GET     /portal/invoices                                   SFA    /admin/invoices/
GET     /portal/invoices/<invoice_id>                      SFA    /admin/invoices/details/
GET     /portal/invoices/<invoice_id>/lines/<n>            SFA    /admin/invoices/details/
GET     /portal/invoices/<invoice_id>/pay                  SFA    /admin/invoices/details/
POST    /portal/invoices/<invoice_id>/pay                  -
GET     /portal/invoices/<invoice_id>/pdf                  SFA    /admin/invoices/details/
GET     /portal/keys                                       A      /admin/api-keys/
POST    /portal/keys/<key_id>/revoke                       -
POST    /portal/keys/<key_id>/rotate                       -
GET     /portal/keys/new                                   A      /admin/api-keys/
POST    /portal/keys/new                                   -
GET     /portal/notifications                              SFA    /admin/inbox/
POST    /portal/notifications/read                         -
GET     /portal/payments/<payment_id>                      SFA    /admin/payments/details/
GET     /portal/preferences                                SFA    /admin/preferences/
POST    /portal/preferences                                -
GET     /portal/profile                                    SFA    /admin/customers/
POST    /portal/profile                                    -
GET     /portal/statement                                  SFA    /admin/exports/
GET     /portal/usage                                      SFA    /admin/usage-events/
GET     /portal/vouchers                                   SFA    /admin/vouchers/
GET     /portal/vouchers/<voucher_id>/pdf                  SFA    /admin/vouchers/details/
GET     /portal/wallets                                    SFA    /admin/wallets/
GET     /portal/wallets/<wallet_id>                        SFA    /admin/wallets/details/
GET     /portal/wallets/<wallet_id>/limits                 SFA    /admin/wallets/details/
POST    /portal/wallets/<wallet_id>/limits                 -
GET     /portal/wallets/<wallet_id>/statement              SFA    /admin/wallets/details/
GET     /portal/wallets/<wallet_id>/top-up                 SFA    /admin/wallets/details/
POST    /portal/wallets/<wallet_id>/top-up                 -
"""

# The API below /api/v1. `person`, a customer's: `own` rows, or not at all. A key needs the scope (`all` has
# each, `-` is not for keys); one that is narrowed to one `account`: its `own`, `all` of it, or not at all.
API = """
method address                                                          staff person scope             account
GET    /accounts                                                        SFA   own    customers:read     own
POST   /accounts                                                        FA    no     customers:write    no
GET    /accounts/<reference>                                            SFA   own    customers:read     own
PATCH  /accounts/<reference>                                            FA    no     customers:write    no
GET    /accounts/<reference>/coupons                                    SFA   own    billing:read       own
GET    /accounts/<reference>/credits                                    SFA   own    billing:read       own
POST   /accounts/<reference>/credits                                    FA    no     billing:write      no
POST   /accounts/<reference>/credits/<credit_id>/withdraw               FA    no     billing:write      no
GET    /accounts/<reference>/discounts                                  SFA   own    billing:read       own
POST   /accounts/<reference>/discounts                                  FA    no     billing:write      no
POST   /accounts/<reference>/discounts/<discount_id>/end                FA    no     billing:write      no
GET    /admin/api-keys                                                  A     no     api_keys:read      no
POST   /admin/api-keys                                                  A     no     api_keys:write     no
GET    /admin/api-keys/<key_id>                                         A     no     api_keys:read      no
POST   /admin/api-keys/<key_id>/revoke                                  A     no     api_keys:write     no
POST   /admin/api-keys/<key_id>/rotate                                  A     no     api_keys:write     no
GET    /admin/archives                                                  SFA   no     admin:read         no
POST   /admin/archives                                                  A     no     admin:write        no
POST   /admin/archives/<month>/restore                                  A     no     admin:write        no
GET    /admin/audit                                                     SFA   no     audit:read         no
GET    /admin/billing-runs                                              SFA   no     billing:read       no
POST   /admin/billing-runs                                              FA    no     billing:write      no
GET    /admin/billing-runs/<run_id>                                     SFA   no     billing:read       no
GET    /admin/billing-runs/<run_id>/accounts                            SFA   no     billing:read       no
POST   /admin/billing-runs/<run_id>/cancel                              FA    no     billing:write      no
GET    /admin/billing-runs/<run_id>/csv                                 SFA   no     billing:read       no
POST   /admin/billing-runs/<run_id>/retry                               FA    no     billing:write      no
GET    /admin/dead-letters                                              SFA   no     dead_letters:read  no
GET    /admin/dead-letters/<letter_id>                                  SFA   no     dead_letters:read  no
PATCH  /admin/dead-letters/<letter_id>                                  FA    no     dead_letters:write no
POST   /admin/dead-letters/<letter_id>/discard                          FA    no     dead_letters:write no
POST   /admin/dead-letters/<letter_id>/replay                           FA    no     dead_letters:write no
POST   /admin/dead-letters/discard                                      FA    no     dead_letters:write no
POST   /admin/dead-letters/replay                                       FA    no     dead_letters:write no
GET    /admin/dead-letters/replays/<run_id>                             SFA   no     dead_letters:read  no
GET    /admin/exchange-rates                                            SFA   no     settings:read      no
POST   /admin/exchange-rates                                            FA    no     settings:write     no
PATCH  /admin/exchange-rates/<rate_id>                                  FA    no     settings:write     no
GET    /admin/gst-returns                                               FA    no     billing:read       no
GET    /admin/gst-returns.csv                                           FA    no     billing:read       no
PATCH  /admin/letters-of-undertaking/<letter_id>                        FA    no     settings:write     no
GET    /admin/number-series                                             SFA   no     billing:read       no
POST   /admin/number-series                                             FA    no     billing:write      no
PATCH  /admin/number-series/<series_id>                                 FA    no     billing:write      no
GET    /admin/registrations                                             SFA   no     settings:read      no
POST   /admin/registrations                                             FA    no     settings:write     no
GET    /admin/registrations/<registration_id>                           SFA   no     settings:read      no
PATCH  /admin/registrations/<registration_id>                           FA    no     settings:write     no
POST   /admin/registrations/<registration_id>/letters                   FA    no     settings:write     no
GET    /admin/tax-collectors                                            SFA   no     settings:read      no
POST   /admin/tax-collectors                                            FA    no     settings:write     no
PATCH  /admin/tax-collectors/<collector_id>                             FA    no     settings:write     no
GET    /admin/tax-rates                                                 SFA   no     settings:read      no
POST   /admin/tax-rates                                                 FA    no     settings:write     no
PATCH  /admin/tax-rates/<rate_id>                                       FA    no     settings:write     no
GET    /admin/users                                                     A     no     users:read         no
POST   /admin/users                                                     A     no     users:write        no
GET    /admin/users/<user_id>                                           A     no     users:read         no
PATCH  /admin/users/<user_id>                                           A     no     users:write        no
POST   /admin/users/<user_id>/end-sessions                              A     no     users:write        no
GET    /admin/verify                                                    SFA   no     admin:read         no
POST   /admin/verify                                                    A     no     admin:write        no
GET    /admin/verify/runs                                               SFA   no     admin:read         no
GET    /admin/verify/runs/<run_id>                                      SFA   no     admin:read         no
GET    /approvals                                                       SFA   no     approvals:read     no
GET    /approvals/<approval_id>                                         SFA   no     approvals:read     no
POST   /approvals/<approval_id>/approve                                 FA    no     -                  no
POST   /approvals/<approval_id>/refuse                                  FA    no     -                  no
POST   /approvals/<approval_id>/withdraw                                FA    no     -                  no
GET    /branding                                                        SFA   no     settings:read      no
PUT    /branding                                                        FA    no     settings:write     no
POST   /compat/lago/api/v1/events                                       A     no     events:write       own
POST   /compat/lago/api/v1/events/batch                                 A     no     events:write       own
GET    /coupons                                                         SFA   no     catalog:read       no
POST   /coupons                                                         FA    no     catalog:write      no
GET    /coupons/<code>                                                  SFA   no     catalog:read       no
PATCH  /coupons/<code>                                                  FA    no     catalog:write      no
POST   /coupons/<code>/redeem                                           FA    no     billing:write      own
GET    /credit-notes                                                    SFA   own    billing:read       own
GET    /credit-notes/<note_id>                                          SFA   own    billing:read       own
GET    /credit-notes/<note_id>/pdf                                      SFA   own    billing:read       own
GET    /customers                                                       SFA   own    customers:read     own
POST   /customers                                                       FA    no     customers:write    no
GET    /customers/<reference>                                           SFA   own    customers:read     own
PATCH  /customers/<reference>                                           FA    own    customers:write    own
GET    /customers/<reference>/notes                                     SFA   no     customers:read     no
POST   /customers/<reference>/notes                                     FA    no     customers:write    no
PATCH  /customers/<reference>/notes/<note_id>                           FA    no     customers:write    no
GET    /e-invoices                                                      SFA   no     billing:read       no
GET    /e-invoices/documents                                            FA    no     billing:read       no
GET    /entitlements                                                    SFA   own    usage:read         own
GET    /events                                                          SFA   own    usage:read         own
POST   /events                                                          A     no     events:write       own
POST   /events/<event_id>/amend                                         A     no     events:write       own
POST   /events/<event_id>/cancel                                        A     no     events:write       own
GET    /exports                                                         SFA   own    billing:read       own
POST   /exports                                                         FA    own    billing:read       own
GET    /exports/<export_id>                                             SFA   own    billing:read       own
POST   /exports/<export_id>/cancel                                      SFA   own    billing:read       own
GET    /exports/<export_id>/file                                        SFA   own    billing:read       own
GET    /invoices                                                        SFA   own    billing:read       own
POST   /invoices                                                        FA    no     billing:write      no
GET    /invoices/<invoice_id>                                           SFA   own    billing:read       own
PATCH  /invoices/<invoice_id>                                           FA    no     billing:write      no
GET    /invoices/<invoice_id>/credit-notes                              SFA   own    billing:read       own
POST   /invoices/<invoice_id>/credit-notes                              FA    no     billing:write      no
POST   /invoices/<invoice_id>/discard                                   FA    no     billing:write      no
GET    /invoices/<invoice_id>/e-invoice                                 SFA   own    billing:read       own
POST   /invoices/<invoice_id>/e-invoice                                 FA    no     billing:write      no
POST   /invoices/<invoice_id>/e-invoice/cancel                          FA    no     billing:write      no
GET    /invoices/<invoice_id>/e-invoice/document                        FA    no     billing:read       no
POST   /invoices/<invoice_id>/issue                                     FA    no     billing:write      no
GET    /invoices/<invoice_id>/lines/<n>/buckets                         SFA   own    billing:read       own
GET    /invoices/<invoice_id>/lines/<n>/events                          SFA   own    billing:read       own
GET    /invoices/<invoice_id>/lines/<n>/explanation                     SFA   own    billing:read       own
GET    /invoices/<invoice_id>/pdf                                       SFA   own    billing:read       own
POST   /invoices/<invoice_id>/release                                   FA    no     billing:write      no
POST   /invoices/<invoice_id>/remind                                    FA    no     billing:write      no
POST   /invoices/<invoice_id>/rerate                                    SFA   no     billing:read       no
POST   /invoices/<invoice_id>/void                                      FA    no     billing:write      no
POST   /invoices/<invoice_id>/write-off                                 FA    no     billing:write      no
GET    /me                                                              SFA   own    -                  no
PATCH  /me                                                              SFA   own    -                  no
GET    /metrics                                                         SFA   no     catalog:read       all
POST   /metrics                                                         FA    no     catalog:write      no
GET    /metrics/<code>                                                  SFA   no     catalog:read       all
PATCH  /metrics/<code>                                                  FA    no     catalog:write      no
GET    /notifications                                                   SFA   own    wallets:read       own
POST   /notifications/read                                              SFA   own    -                  no
GET    /payments                                                        SFA   own    payments:read      own
POST   /payments                                                        FA    own    payments:write     own
GET    /payments/<payment_id>                                           SFA   own    payments:read      own
POST   /payments/<payment_id>/book                                      FA    no     payments:write     no
POST   /payments/<payment_id>/refunds                                   FA    no     payments:write     no
GET    /plan-moves/<move_id>                                            SFA   no     billing:read       no
GET    /plan-moves/<move_id>/subscriptions                              SFA   no     billing:read       no
GET    /pricing                                                         SFA   no     catalog:read       all
POST   /pricing                                                         FA    no     catalog:write      no
GET    /pricing/<code>                                                  SFA   no     catalog:read       all
POST   /pricing/<code>/clone                                            FA    no     catalog:write      no
POST   /pricing/<code>/versions                                         FA    no     catalog:write      no
GET    /pricing/<code>/versions/<number>                                SFA   no     catalog:read       all
PATCH  /pricing/<code>/versions/<number>                                FA    no     catalog:write      no
POST   /pricing/<code>/versions/<number>/clone                          FA    no     catalog:write      no
GET    /pricing/<code>/versions/<number>/diff/<other>                   SFA   no     catalog:read       all
POST   /pricing/<code>/versions/<number>/migrate                        FA    no     billing:write      no
POST   /pricing/<code>/versions/<number>/publish                        FA    no     catalog:write      no
POST   /pricing/<code>/versions/<number>/retire                         FA    no     catalog:write      no
POST   /pricing/<code>/versions/<number>/simulate                       FA    no     catalog:write      no
POST   /pricing/quote                                                   SFA   no     catalog:read       all
GET    /refunds                                                         SFA   own    payments:read      own
GET    /refunds/<refund_id>                                             SFA   own    payments:read      own
GET    /search                                                          SFA   no     customers:read     no
GET    /simulations/<simulation_id>                                     SFA   no     catalog:read       no
POST   /simulations/<simulation_id>/cancel                              FA    no     catalog:write      no
GET    /simulations/<simulation_id>/csv                                 SFA   no     catalog:read       no
GET    /simulations/<simulation_id>/rows                                SFA   no     catalog:read       no
GET    /subscriptions                                                   SFA   own    billing:read       own
POST   /subscriptions                                                   FA    no     billing:write      no
GET    /subscriptions/<subscription_id>                                 SFA   own    billing:read       own
POST   /subscriptions/<subscription_id>/cancel                          FA    no     billing:write      no
POST   /subscriptions/<subscription_id>/change                          FA    no     billing:write      no
GET    /subscriptions/<subscription_id>/commitments                     SFA   own    billing:read       own
POST   /subscriptions/<subscription_id>/commitments                     FA    no     billing:write      no
POST   /subscriptions/<subscription_id>/commitments/<commitment_id>/end FA    no     billing:write      no
GET    /subscriptions/<subscription_id>/overrides                       SFA   own    billing:read       own
POST   /subscriptions/<subscription_id>/overrides                       FA    no     billing:write      no
POST   /subscriptions/<subscription_id>/overrides/<override_id>/end     FA    no     billing:write      no
POST   /subscriptions/<subscription_id>/pause                           FA    no     billing:write      no
POST   /subscriptions/<subscription_id>/quote                           SFA   own    billing:read       own
POST   /subscriptions/<subscription_id>/resume                          FA    no     billing:write      no
GET    /subscriptions/<subscription_id>/segments                        SFA   own    billing:read       own
POST   /subscriptions/<subscription_id>/undo                            FA    no     billing:write      no
GET    /tds-receivables                                                 SFA   no     payments:read      no
GET    /tds-receivables/<receivable_id>                                 SFA   no     payments:read      no
POST   /tds-receivables/<receivable_id>/certify                         FA    no     payments:write     no
GET    /usage                                                           SFA   own    usage:read         own
GET    /vouchers                                                        SFA   own    billing:read       own
GET    /vouchers/<voucher_id>                                           SFA   own    billing:read       own
GET    /vouchers/<voucher_id>/pdf                                       SFA   own    billing:read       own
GET    /wallets                                                         SFA   own    wallets:read       own
POST   /wallets                                                         FA    no     wallets:write      no
GET    /wallets/<wallet_id>                                             SFA   own    wallets:read       own
PATCH  /wallets/<wallet_id>                                             FA    own    wallets:write      own
POST   /wallets/<wallet_id>/activate                                    FA    no     wallets:write      no
GET    /wallets/<wallet_id>/balance                                     SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/close                                       FA    no     wallets:write      no
POST   /wallets/<wallet_id>/credits                                     FA    no     wallets:write      no
POST   /wallets/<wallet_id>/debits                                      FA    no     wallets:write      no
POST   /wallets/<wallet_id>/freeze                                      FA    no     wallets:write      no
GET    /wallets/<wallet_id>/grants                                      SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/grants                                      FA    no     wallets:write      no
GET    /wallets/<wallet_id>/grants/<grant_id>                           SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/grants/<grant_id>/void                      FA    no     wallets:write      no
GET    /wallets/<wallet_id>/holds                                       SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/holds                                       FA    no     wallets:write      no
GET    /wallets/<wallet_id>/holds/<hold_id>                             SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/holds/<hold_id>/capture                     FA    no     wallets:write      no
POST   /wallets/<wallet_id>/holds/<hold_id>/release                     FA    no     wallets:write      no
POST   /wallets/<wallet_id>/refunds                                     FA    no     wallets:write      no
POST   /wallets/<wallet_id>/top-ups                                     FA    own    wallets:write      own
GET    /wallets/<wallet_id>/top-ups/quote                               SFA   own    wallets:read       own
GET    /wallets/<wallet_id>/transactions                                SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/transactions/<transaction_id>/reverse       FA    no     wallets:write      no
GET    /wallets/<wallet_id>/transfers                                   SFA   own    wallets:read       own
POST   /wallets/<wallet_id>/transfers                                   FA    own    wallets:write      own
"""

# The older addresses of the specification (3.3.2) lead to the same views.
ALIASES = ("/api/admin/", "/api/billing/", "/api/customers", "/api/usage")

# What anybody may ask: health, the published contract, and webhooks, which prove themselves by signature.
PUBLIC = """
GET     /
GET     /admin/static/<filename>
GET     /api/docs
GET     /api/v1/openapi.json
GET     /brand/<digest>/logo
GET     /healthz
POST    /language
GET     /readyz
GET     /rq/static/<filename>
GET     /sign-in
POST    /sign-in
GET     /sign-in/again
GET     /sign-in/callback
GET     /sign-in/start
POST    /sign-out
GET     /static/<filename>
POST    /webhooks/<gateway>
"""
