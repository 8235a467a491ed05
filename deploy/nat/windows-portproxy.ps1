#Requires -Version 5.1
# On a Windows host with Hyper-V, WSL 2 or VMware: forwards port 12345 of the host to the same port of the VM, by
# Windows' own port proxy, and opens the port in Windows' firewall. With VirtualBox, take virtualbox.ps1.
# Windows can't run on the project's test machines. The tests only parse this script, and compare its command lines
# with the documentation.

# Not Write-Output: Read-CommandLine would return the text to its caller
function Write-Help {
    Write-Host @'
Usage: windows-portproxy.ps1 apply (--vm ADDRESS | --wsl [--persist]) [--port N] [--address ADDRESS] [--dry-run]
       windows-portproxy.ps1 status [--wsl] [--port N]
       windows-portproxy.ps1 undo [--port N] [--dry-run]

Run it on the host, in a PowerShell opened as administrator:
  powershell -ExecutionPolicy Bypass -File deploy\nat\windows-portproxy.ps1 apply --vm 192.168.56.10
  apply    forward port 12345 of this host to port 12345 of the VM, and open it in the firewall
  status   say whether that is active, and whether the server answers through it
  undo     remove everything that apply made

  --vm ADDRESS       IPv4 address of the VM (in the VM: hostname -I)
  --wsl              the VM is WSL 2: its address is looked up
  --persist          look it up again at every logon, because WSL 2 gets another address when Windows restarts
  --port N           the port, on this host and in the VM (12345)
  --address ADDRESS  IPv4 address of this host to listen on (every address)
  --dry-run          show what apply or undo would run, and change nothing

-Vm, -Wsl, -Persist, -Port, -Address and -DryRun mean the same.
Exit code: 0 fine, 1 not active or failed, 2 wrong command line.
'@
}

# --- from deploy/nat/common.ps1 ---
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # PowerShell 7 would add its own lines to a program's failure
$ScriptName = $MyInvocation.MyCommand.Name

function Stop-Script([int] $Code, [string] $Text) {
    [Console]::Error.WriteLine("${ScriptName}: $Text")
    exit $Code
}

function Stop-Usage([string] $Text) { Stop-Script 2 "$Text; see $ScriptName --help" }

# Reads the command line itself: so both --dry-run and -DryRun work, like in the scripts for Linux
function Read-CommandLine([object[]] $Words, [string[]] $Values, [string[]] $Switches) {
    $found = @{ action = '' }
    foreach ($key in $Values) { $found[$key] = '' }
    foreach ($key in $Switches) { $found[$key] = $false }
    for ($i = 0; $i -lt $Words.Count; $i++) {
        $word = [string] $Words[$i]
        $key = ($word -replace '-', '').ToLowerInvariant()
        if ($word -notmatch '^-') {
            if (@('apply', 'status', 'undo') -notcontains $key) { Stop-Usage "$word is not an action" }
            if ($found['action'] -ne '') { Stop-Usage 'say only one of apply, status and undo' }
            $found['action'] = $key
        }
        elseif (@('help', 'h', '?') -contains $key) { Write-Help; exit 0 }
        elseif ($Switches -contains $key) { $found[$key] = $true }
        elseif ($Values -contains $key) {
            $i++
            if ($i -lt $Words.Count) { $found[$key] = [string] $Words[$i] }
            if ($found[$key] -eq '') { Stop-Usage "$word needs a value" }
        }
        else { Stop-Usage "$word is not an option" }
    }
    if ($found['action'] -eq '') { Stop-Usage 'say what to do: apply, status or undo' }
    if ($found['port'] -eq '') { $found['port'] = '12345' }
    if ($found['port'] -notmatch '^[1-9][0-9]{0,4}$' -or [int] $found['port'] -gt 65535) {
        Stop-Usage "--port $($found['port']): a whole number from 1 to 65535 is needed"
    }
    if ($found['address'] -ne '' -and -not (Test-IPv4 $found['address'])) {
        Stop-Usage "--address $($found['address']): an IPv4 address of this host is needed, like 10.0.108.42"
    }
    return $found
}

function Test-IPv4([string] $Text) {
    return $Text -match '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.|$)){4}$' -and $Text -notmatch '\.$'
}

# Run a program; return its exit code and its lines as text. Without the local preference, PowerShell 5.1 would end
# this script at the first line on standard error.
function Invoke-Tool([string] $Program, [string[]] $Words) {
    $ErrorActionPreference = 'Continue'
    $lines = @(& $Program $Words 2>&1 | ForEach-Object { [string] $_ })
    return @{ Code = $LASTEXITCODE; Lines = $lines }
}

# Run a program that changes something, or only show it
function Invoke-Change([string] $Program, [string[]] $Words, [string] $Hint) {
    $line = "$([IO.Path]::GetFileNameWithoutExtension($Program)) $($Words -join ' ')"
    if ($options['dryrun']) {
        Write-Output "+ $line"
        return
    }
    $done = Invoke-Tool $Program $Words
    if ($done['Code'] -ne 0) {
        $said = @($done['Lines'] | Where-Object { $_ -match '\S' }) + @('no reason given')
        Stop-Script 1 "$line failed: $($said[0].Trim()); $Hint"
    }
}

# Whether the ClassCord server answers there. An open port proves nothing: a forwarder accepts even without a server.
function Test-Answer([string] $At, [int] $Port) {
    $client = New-Object Net.Sockets.TcpClient
    try {
        $client.SendTimeout = 3000
        $client.ReceiveTimeout = 3000
        if (-not $client.ConnectAsync($At, $Port).Wait(3000)) { return $false } # Connect waits for up to 21 seconds
        $stream = $client.GetStream()
        $ping = [Text.Encoding]::ASCII.GetBytes('{"type":"ping"}' + "`n")
        $stream.Write($ping, 0, $ping.Length)
        $reader = New-Object IO.StreamReader($stream)
        return [bool] ($reader.ReadLine() -match '"(pong|server_full)"')
    }
    catch { return $false }
    finally { $client.Close() }
}

# Windows reserves ranges of ports for Hyper-V, WSL and Docker: no program may listen there. Returns the range around
# the port, or nothing. netsh marks with * the ranges that a person has set aside; programs may listen there. Its words
# are in the language of Windows, so this reads only numbers. Both scripts listen on IPv4 only.
function Find-Reservation([int] $Port) {
    $shown = Invoke-Tool 'netsh' @('interface', 'ipv4', 'show', 'excludedportrange', 'protocol=tcp')
    foreach ($line in $shown['Lines']) {
        if ($line -match '^\s*(\d+)\s+(\d+)\s*$' -and [int] $Matches[1] -le $Port -and $Port -le [int] $Matches[2]) {
            return "$($Matches[1]) to $($Matches[2])"
        }
    }
    return ''
}

# If Windows reserves the port, say what to type, and what to do then
function Show-Reservation([int] $Port, [string] $Then) {
    $range = Find-Reservation $Port
    if ($range -eq '') { return }
    Write-Output "Windows reserves the ports $range, so nothing can listen on port $Port. As administrator, type:"
    Write-Output '    net stop winnat'
    $only = "startport=$Port numberofports=1"
    Write-Output "    netsh int ipv4 add excludedportrange protocol=tcp $only store=persistent"
    Write-Output '    net start winnat'
    Write-Output "Then $Then. Between the first line and the third, WSL and Hyper-V have no network."
}

function Test-Listener { return [bool] (Get-NetTCPConnection -LocalPort $port -State Listen -ErrorAction SilentlyContinue) }

# What was seen, what remains, and the one place to look at next: the VM ($Place is vm, $Port its port), a desk, or this
# host. Host and VM must not send a person to each other for ever.
function Show-Next([string] $Place, [string] $Seen, [string] $Rest, [string] $Port) {
    Write-Output "Seen: $Seen. What remains: $Rest."
    if ($Place -eq 'desk') { Write-Output "Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam ADDRESS_OF_THIS_HOST --port $Port" }
    elseif ($Place -eq 'host') { Write-Output 'Next: repair what is named above, then status again.' }
    else {
        Write-Output "Next, once, unless you come from there, in the VM: sudo make doctor PORT=$Port"
        Write-Output "If nothing is broken there, don't come back: look at the last of what remains."
    }
}

function Test-FirewallRule([string] $Rule) {
    return (Invoke-Tool 'netsh' @('advfirewall', 'firewall', 'show', 'rule', "name=$Rule"))['Code'] -eq 0
}
# --- end of deploy/nat/common.ps1 ---

function Assert-Administrator {
    if ($options['dryrun']) { return }
    $me = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
    if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        Stop-Script 1 ('this needs an administrator: in the Start menu type powershell, right click, ' +
            'Run as administrator, and type the same there; status and --dry-run need none')
    }
}

# Does WSL share the network of Windows? Then its ports are those of Windows, and there is nothing to forward. Only a
# user with a Linux in WSL is asked about: elsewhere wsl.exe waits for a key, to install it
function Test-Mirrored {
    if (-not (Test-Path -LiteralPath 'HKCU:\Software\Microsoft\Windows\CurrentVersion\Lxss')) { return $false }
    return ((Invoke-Tool 'wsl.exe' @('-e', 'wslinfo', '--networking-mode'))['Lines'] -join ' ') -match '^mirrored'
}

function Show-Mirrored {
    Write-Output ("WSL's network is mirrored: to a server in WSL, there is nothing to forward (undo removes what was). " +
        "Hyper-V's firewall must let the port in; as administrator, once:")
    Write-Output ('    New-NetFirewallHyperVRule -Name classcord -DisplayName classcord -Direction Inbound ' +
        "-VMCreatorId '{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}' -Protocol TCP -LocalPorts $port")
    if (Test-Answer '127.0.0.1' $port) { Show-Next 'desk' 'the server answers at 127.0.0.1' 'that firewall, and the desks' $port }
    else { Show-Next 'vm' 'nothing answers at 127.0.0.1' "WSL, then that firewall" $port }
}

function Find-WslAddress {
    $hint = 'in your own PowerShell type wsl hostname -I, and give that address with --vm'
    if (-not (Get-Command -Name 'wsl.exe' -CommandType Application -ErrorAction SilentlyContinue)) {
        Stop-Script 1 "WSL is not on this machine; give the VM's address with --vm"
    }
    $done = Invoke-Tool 'wsl.exe' @('hostname', '-I')
    foreach ($word in ($done['Lines'] -join ' ').Split(' ')) {
        if ($done['Code'] -eq 0 -and (Test-IPv4 $word)) { return $word }
    }
    Stop-Script 1 "WSL gives no address to $env:USERNAME; $hint"
}

# The VM's address, from --vm or --wsl
function Find-Target {
    $target = $options['vm']
    if ($options['wsl']) { $target = Find-WslAddress }
    $own = @(Get-NetIPAddress -AddressFamily IPv4 | ForEach-Object { $_.IPAddress })
    if ($own -contains $target) { Stop-Script 1 "$target is an address of this host itself; the VM's is needed" }
    return $target
}

# The port proxies that listen on our port. It works in every language of Windows: it looks for two addresses and ports
function Get-Proxies {
    $shown = Invoke-Tool 'netsh' @('interface', 'portproxy', 'show', 'v4tov4')
    foreach ($line in $shown['Lines']) {
        if ($line -match '^\s*(\S+)\s+(\d+)\s+(\S+)\s+(\d+)\s*$' -and $Matches[2] -eq $port) {
            Write-Output @{ Listen = $Matches[1]; Target = $Matches[3]; TargetPort = $Matches[4] }
        }
    }
}

function Remove-Proxy([string] $Listen) {
    Invoke-Change 'netsh' @(
        'interface', 'portproxy', 'delete', 'v4tov4', "listenaddress=$Listen", "listenport=$port"
    ) 'netsh interface portproxy show v4tov4 lists them'
}

# The address that the VM sees: this host's own on the way to the VM. Connecting a UDP socket sends nothing.
function Show-Seen([string] $Target) {
    $probe = New-Object Net.Sockets.UdpClient
    try {
        $probe.Connect($Target, 9)
        $seen = $probe.Client.LocalEndPoint.Address.ToString()
    }
    catch { $seen = "this host's own address on the VM's network" } # there is no way to the VM now
    finally { $probe.Close() }
    Write-Output "The server will see $seen for every client."
}

function Install-Refresh {
    $user = [Security.Principal.WindowsIdentity]::GetCurrent().Name
    $words = "-NoProfile -ExecutionPolicy Bypass -WindowStyle Hidden -File ""$PSCommandPath"" apply --wsl --port $port"
    if ($options['address'] -ne '') { $words += " --address $($options['address'])" }
    if ($options['dryrun']) {
        Write-Output "would make the scheduled task ${task}, at each logon of ${user}: powershell.exe $words"
        return
    }
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $words
    $trigger = New-ScheduledTaskTrigger -AtLogOn -User $user
    $principal = New-ScheduledTaskPrincipal -UserId $user -LogonType Interactive -RunLevel Highest
    $settings = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries
    $null = Register-ScheduledTask -TaskName $task -Action $action -Trigger $trigger -Principal $principal `
        -Settings $settings -Force
    Write-Output ("At each logon of $user the address is looked up again (scheduled task $task); " +
        'leave this script where it is.')
}

function Test-Refresh { return [bool] (Get-ScheduledTask -TaskName $task -ErrorAction SilentlyContinue) }

# Windows forwards by its service iphlpsvc (IP Helper). Is it running, and will it run after a restart of Windows?
function Test-Service {
    $service = Get-Service -Name 'iphlpsvc'
    return $service.Status -eq 'Running' -and $service.StartType -eq 'Automatic'
}

function Restart-Forwarder {
    if ($options['dryrun']) {
        Write-Output '+ Set-Service iphlpsvc -StartupType Automatic', '+ Restart-Service iphlpsvc -Force'
        return
    }
    Set-Service -Name 'iphlpsvc' -StartupType Automatic
    Restart-Service -Name 'iphlpsvc' -Force
}

function Invoke-Apply {
    if (($options['vm'] -ne '') -eq $options['wsl']) { Stop-Usage 'say where the server is: --vm ADDRESS, or --wsl' }
    if ($options['vm'] -ne '' -and -not (Test-IPv4 $options['vm'])) {
        Stop-Usage "--vm $($options['vm']): the IPv4 address of the VM is needed, like 192.168.56.10"
    }
    if ($options['persist'] -and -not $options['wsl']) {
        Stop-Usage '--persist goes with --wsl: a forwarding to a fixed address stays after a restart without it'
    }
    Assert-Administrator
    if ($options['wsl'] -and (Test-Mirrored)) { Show-Mirrored; exit 1 }
    $target = Find-Target
    $listen = '0.0.0.0'
    if ($options['address'] -ne '') { $listen = $options['address'] }
    $there = $false
    foreach ($each in @(Get-Proxies)) {
        if ($each['Listen'] -eq $listen -and $each['Target'] -eq $target -and $each['TargetPort'] -eq $port) { $there = $true }
        else { Remove-Proxy $each['Listen'] }
    }
    if (-not $there) {
        Invoke-Change 'netsh' @(
            'interface', 'portproxy', 'add', 'v4tov4', "listenaddress=$listen", "listenport=$port",
            "connectaddress=$target", "connectport=$port"
        ) 'was this PowerShell opened as administrator?'
    }
    # after a change it may still lead to the old address, and it does not listen if the port was reserved at its start
    if (-not $there -or -not (Test-Service) -or -not (Test-Listener)) { Restart-Forwarder }
    if (-not (Test-FirewallRule $firewall)) {
        Invoke-Change 'netsh' @(
            'advfirewall', 'firewall', 'add', 'rule', "name=$firewall", 'dir=in', 'action=allow', 'protocol=TCP',
            "localport=$port"
        ) 'is another firewall in charge of this machine?'
    }
    if ($options['persist']) { Install-Refresh }
    if (-not $options['dryrun']) {
        Write-Output "Port $port of this host (listening on $listen) goes to port $port of $target."
        if ($options['wsl'] -and -not (Test-Refresh)) {
            Write-Output "WSL's address changes when Windows restarts: type the same again then, or now with --persist."
        }
    }
    Show-Reservation $port $again
    Show-Seen $target
    if ((Find-Reservation $port) -ne '') { exit 1 }
}

function Show-Status {
    $proxies = @(Get-Proxies)
    if ($proxies.Count -eq 0) {
        Write-Output "Nothing forwards port $port of this host; as administrator: $call apply --vm ADDRESS --port $port"
        if (Test-Mirrored) { Show-Mirrored } else { Show-Next 'host' 'nothing forwards here' 'all of it' '' }
        exit 1
    }
    foreach ($each in $proxies) {
        $to = "port $($each['TargetPort']) of $($each['Target'])"
        Write-Output "Port $port of this host (listening on $($each['Listen'])) goes to $to."
    }
    $at = $proxies[0]['Listen']
    $target = $proxies[0]['Target']
    $inner = $proxies[0]['TargetPort']
    # what apply takes to set the same again
    $same = "apply --vm $target --port $port"
    if ($options['wsl'] -or (Test-Refresh)) { $same = "apply --wsl --port $port" }
    if (Test-Refresh) { $same += ' --persist' }
    if (@('*', '0.0.0.0') -contains $at) { $at = '127.0.0.1' } else { $same += " --address $at" }
    $same = "as administrator: $call $same"
    $code = 0
    $faults = @()
    if (-not (Test-Service)) { $faults += "iphlpsvc, the service that forwards, is stopped, or does not start with Windows; $same" }
    elseif ((Find-Reservation $port) -ne '') { $code = 1 }
    elseif (-not (Test-Listener)) { $faults += "iphlpsvc, the service that forwards, does not listen on port ${port}; $same" }
    if (-not (Test-FirewallRule $firewall)) { $faults += "The firewall has no rule ${firewall}; $same" }
    if ($options['wsl'] -and (Find-WslAddress) -ne $target) { $faults += "WSL's address is not $target any more; $same" }
    if (Test-Refresh) { Write-Output "WSL's address is looked up at each logon (scheduled task $task)." }
    Show-Reservation $port $again
    foreach ($each in $faults) { Write-Output $each }
    if ($faults.Count -ne 0) { $code = 1 }
    if ($code -ne 0) { Show-Next 'host' 'the fault above is on this host' 'what comes after it' '' }
    elseif (Test-Answer $at $port) { Show-Next 'desk' "the server answers at $at port $port" 'a desk, then the network between' $port }
    elseif (Test-Answer $target $inner) {
        Write-Output 'As administrator: Restart-Service iphlpsvc -Force'
        Show-Next 'host' "the server answers at $target port $inner, but not through this host" 'this host' ''
        $code = 1
    }
    else {
        Show-Next 'vm' "no server answers at $target port $inner" 'the VM, then the network between them' $inner
        $moved = $same.Replace("--vm $target", '--vm NEW')
        Write-Output "If its line adresse shows another address (Hyper-V's changes when Windows restarts), here, $moved"
    }
    Show-Seen $target
    exit $code
}

function Invoke-Undo {
    Assert-Administrator
    $proxies = @(Get-Proxies)
    $open = Test-FirewallRule $firewall
    $refresh = Test-Refresh
    if ($proxies.Count -eq 0 -and -not $open -and -not $refresh) {
        Write-Output "Nothing forwards port $port of this host; nothing to do."
        return
    }
    foreach ($each in $proxies) { Remove-Proxy $each['Listen'] }
    if ($open) {
        Invoke-Change 'netsh' @('advfirewall', 'firewall', 'delete', 'rule', "name=$firewall") (
            'netsh advfirewall firewall show rule name=all lists them')
    }
    if ($refresh) {
        if ($options['dryrun']) { Write-Output "would remove the scheduled task $task" }
        else { Unregister-ScheduledTask -TaskName $task -Confirm:$false }
    }
    if (-not $options['dryrun']) { Write-Output "Port $port of this host is not forwarded any more." }
}

try {
    $options = Read-CommandLine $args @('vm', 'port', 'address') @('wsl', 'persist', 'dryrun')
    $port = $options['port']
    $firewall = "classcord-$port"
    $call = "powershell -ExecutionPolicy Bypass -File ""$PSCommandPath"""
    $again = 'type windows-portproxy.ps1 apply again, with the same words'
    $task = "classcord-portproxy-$port"
    if ($options['action'] -eq 'apply') { Invoke-Apply }
    elseif ($options['action'] -eq 'status') { Show-Status }
    else { Invoke-Undo }
}
catch {
    Stop-Script 1 $_.Exception.Message
}
exit 0
