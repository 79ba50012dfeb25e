"""What every server shares: settings, errors, interceptor, metrics, store."""
