"""Proofs that nothing acknowledged is lost: senders with their own records, checkers that share no code; and a peer."""
