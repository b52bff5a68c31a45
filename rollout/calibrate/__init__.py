"""The whole engine on stable's own past: how often would it have rolled back nothing?"""
