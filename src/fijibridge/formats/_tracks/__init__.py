"""What the tracking formats share."""
