cluster_label = "CloudNativePG, r7i.large"
trips         = 100000000
trips_a_month = 10000000
memory_gib    = 16
machines      = 2
prices        = { machine_hour = 0.1323, volume_gb_month = 0.08, backup_gb_month = 0.023, cluster_hour = 0.10 }
