"""The lines of the unit that limit the server, and the actions that each of them prevents."""

from __future__ import annotations

PREVENTS = {
    "UMask=0077": "make a file that others may read",
    "LimitCORE=0": "leave a core",
    "CapabilityBoundingSet=": "take a low port",
    "NoNewPrivileges=yes": "become root by sudo",
    "ProtectSystem=strict": "write /var",
    "ProtectHome=yes": "see homes",
    "PrivateTmp=yes": "see /tmp of others",
    "PrivateDevices=yes": "see a device",
    "DevicePolicy=closed": "open a device",
    "PrivateUsers=yes": "give a file away",
    "ProtectProc=invisible": "see others' processes",
    "ProcSubset=pid": "see kernel memory figures",
    "ProtectClock=yes": "set the clock",
    "ProtectHostname=yes": "rename the machine",
    "ProtectControlGroups=yes": "change control groups",
    "ProtectKernelLogs=yes": "read the kernel's log",
    "ProtectKernelModules=yes": "unload a module",
    "ProtectKernelTunables=yes": "change the kernel's settings",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX": "open a packet socket",
    "RestrictNamespaces=yes": "make a user namespace",
    "RestrictRealtime=yes": "run in real time",
    "RestrictSUIDSGID=yes": "make a setuid file",
    "LockPersonality=yes": "change its execution domain",
    "MemoryDenyWriteExecute=yes": "write code into memory",
    "SystemCallArchitectures=native": "make a call of another architecture",
    "SystemCallFilter=@system-service": "mount",
    "SystemCallFilter=~@privileged @resources": "lower its priority",
}
"""Each directive, and one of probe.py's attempts that fails if this directive is the only one."""

OTHERS = (
    "DynamicUser=yes", "StateDirectory=classcord", "StateDirectoryMode=0700", "TasksMax=2200", "LimitNOFILE=4096",
    "MemoryMax=512M", "RemoveIPC=yes", "KeyringMode=private", "SystemCallErrorNumber=EPERM",
)
"""The directives that have their own test, in test_systemd.py or test_sandbox.py."""
