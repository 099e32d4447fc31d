"""The protocol: splits and scaling, the references of forecasts, and errors."""
