"""A local payment gateway shaped like Stripe and Razorpay, for machines without the internet.

It answers the REST calls that the real SDKs make, shows a hosted checkout page in the browser, and posts
signed webhooks with retries. Its faults (slow answers, duplicates, disorder, a wrong amount) are switched on
by `POST /sandbox/controls`.

    SECRET_KEY=… python -m app.gateways.sandbox_server --port 8100 --webhook-url http://127.0.0.1:8000 --data
    var
"""
