"""System checks: every URL of ours has a policy, third-party URLs are on a list, production settings are safe."""
