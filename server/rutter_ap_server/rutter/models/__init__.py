"""Rutter's objects as typed values: one module per noun (`bills`, `payments`, `credits`, `vendors`, …)."""
