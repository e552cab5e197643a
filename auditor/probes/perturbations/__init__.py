"""Fixed questions about clean samples: what label do they drift to when they are disturbed?"""
