"""Who calls: bearer keys, signed requests with their nonces, and the tokens of an issuer.

What is found out about a key is remembered in the process for five seconds, so a thousand requests a second
ask the database a few times; a revocation or a rotation is effective everywhere after that.
"""
