"""SASL's client side: challenges in, responses out. No mechanism opens or reads the connection."""
