"""The three services that the demo mesh protects: order, payment, data. Who may call them is not their business."""
