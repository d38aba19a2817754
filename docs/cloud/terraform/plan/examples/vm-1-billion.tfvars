cluster_label   = "one VM, r7i.2xlarge"
trips           = 1000000000
trips_a_month   = 100000000
memory_gib      = 64
max_wal_size_gb = 8
prices          = { machine_hour = 0.5292, volume_gb_month = 0.08, backup_gb_month = 0.023 }
