# The arithmetic of docs/cloud/README.md, the settings and what the machine runs: without a provider and without a network.

variables {
  trips        = 100000000
  memory_gib   = 16
  name         = "trips"
  bucket       = "trips-backup"
  volume_id    = "vol-0123456789abcdef0"
  deb_url      = "https://example.com/trips-ext_0.1.0_amd64.deb"
  deb_sha256   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  client_cidrs = ["10.1.0.0/16"]
}

run "a_hundred_million_trips" {
  command = plan

  assert {
    condition     = output.size.facts_gb == 10.9 && output.size.trees_gb == 3.6 && output.size.load_wal_gb == 14.3 && output.size.files_gb == 12.9
    error_message = "Bytes a trip are those of bench/PROOF.md."
  }

  assert {
    condition     = output.size.volume_gb > output.size.after_compact_gb * 1.25
    error_message = "The volume holds a compaction, the largest file twice, WAL, and a quarter more."
  }

  assert {
    condition     = output.enough_memory
    error_message = "16 GiB hold the trees of 100 million trips."
  }
}

run "a_billion_trips_are_ten_times_as_much" {
  command = plan

  variables {
    trips = 1000000000
  }

  assert {
    condition     = output.size.data_gb == 145 && output.size.after_compact_gb == 178
    error_message = "Bytes grow with the trips."
  }

  assert {
    condition     = !output.enough_memory
    error_message = "16 GiB do not hold the trees of a billion trips."
  }
}

run "the_cost_is_the_sum_of_its_parts" {
  command = plan

  variables {
    machines = 2
    prices   = { machine_hour = 1, volume_gb_month = 0.1, backup_gb_month = 0.01, cluster_hour = 0.5 }
  }

  assert {
    condition     = output.cost.machines == 1460 && output.cost.cluster == 365
    error_message = "730 hours a month, for each machine, and once for what manages them."
  }

  assert {
    condition     = abs(output.cost.month - (output.cost.machines + output.cost.volumes + output.cost.backup + output.cost.cluster)) < 0.001
    error_message = "Machines, volumes, backups, cluster."
  }

  assert {
    condition     = abs(output.cost.volumes - 2 * 0.1 * (output.size.volume_gb + 16)) < 0.001
    error_message = "Each machine has a volume and a disk of its own."
  }

  assert {
    condition     = abs(output.size.backup_gb - 3 * 14.5) < 0.001
    error_message = "A window of 14 days with a backup each week takes three of them."
  }
}

run "throughput_costs_from_125_on" {
  command = plan

  variables {
    throughput_mbps = 325
    prices          = { machine_hour = 0, volume_gb_month = 0, volume_mbps_month = 0.5, backup_gb_month = 0 }
  }

  assert {
    condition     = output.cost.month == 100
    error_message = "What is above 125 MB a second is paid for."
  }
}

run "loads_write_whole_pages" {
  command = plan

  assert {
    condition     = output.settings["wal_level"] == "replica" && output.settings["shared_preload_libraries"] == "trips_ext"
    error_message = "At wal_level = logical loads go row by row; the watched folder needs the library preloaded."
  }

  assert {
    condition     = tonumber(output.settings["max_worker_processes"]) >= 1 + 2 * tonumber(output.settings["trips_ext.max_jobs"]) + 8
    error_message = "The watcher has a slot, each job two."
  }
}

run "the_machine_sets_itself_up" {
  command = plan

  assert {
    condition = alltrue([for word in [
      "nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0",
      "s3://trips-backup/postgresql",
      "https://example.com/trips-ext_0.1.0_amd64.deb",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "hostssl trips all 10.1.0.0/16 scram-sha-256",
      "RECOVERY WINDOW OF 14 DAYS",
      "wal_level = 'replica'",
    ] : strcontains(output.user_data, word)])
    error_message = "Volume, bucket, package and its checksum, clients, retention and settings are in what the machine runs."
  }

  assert {
    condition     = startswith(output.user_data, "#!/usr/bin/env bash\n")
    error_message = "cloud-init runs what begins with #!."
  }

  assert {
    condition     = length(output.user_data) < 16384
    error_message = "EC2 takes at most 16 KiB of user data."
  }

  assert {
    condition     = !can(regex("\\$\\{|%\\{", output.user_data))
    error_message = "Nothing of the template is left."
  }
}

run "too_many_trips_are_refused" {
  command = plan

  variables {
    trips = 100000000000
  }

  expect_failures = [var.trips]
}

run "a_name_is_a_word" {
  command = plan

  variables {
    name = "trips; rm"
  }

  expect_failures = [var.name]
}
